# prefixd_library(NAME SOURCES… [PUBLIC targets…] [PRIVATE targets…])
# prefixd_test(NAME SOURCES… [LIBRARIES targets…] [LABELS labels…])

add_library(prefixd_options INTERFACE)
target_include_directories(prefixd_options INTERFACE ${PROJECT_SOURCE_DIR})
# AVX2 is the floor; Highway and fbgemm choose more when they run. No contraction
# by the compiler: whether a product is fused must not depend on how it vectorised
# a loop (a row's bits must not depend on its place in the batch).
target_compile_options(prefixd_options INTERFACE
  -Wall -Wextra -Werror -mavx2 -mfma -mf16c -mbmi -mbmi2 -maes -mpclmul -ffp-contract=off)
if(PREFIXD_STD_MUTEX)
  target_compile_definitions(prefixd_options INTERFACE PREFIXD_STD_MUTEX)
endif()
if(PREFIXD_SANITIZERS)
  target_compile_options(prefixd_options INTERFACE
    -fsanitize=${PREFIXD_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(prefixd_options INTERFACE -fsanitize=${PREFIXD_SANITIZERS})
endif()

function(prefixd_library name)
  cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC prefixd_options ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

function(prefixd_test name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE prefixd_options ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    LABELS "${ARG_LABELS}" TIMEOUT 600
    ENVIRONMENT "PREFIXD_SOURCE_DIR=${PROJECT_SOURCE_DIR};PREFIXD_BIN_DIR=${CMAKE_BINARY_DIR}/bin;PREFIXD_TEST_MODEL=${PREFIXD_TEST_MODEL}")
endfunction()
