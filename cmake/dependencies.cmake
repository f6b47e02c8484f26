# Everything that prefixd links, found once.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(hwy REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

if(NOT PREFIXD_WITH_TORCH)
  return()
endif()

find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(CLI11 REQUIRED)

# Not find_package(Torch): it defines an empty protobuf::libprotobuf, and on a
# CUDA wheel it insists on a CUDA toolkit. Torch's headers hold an older copy of
# Protobuf's, so this target is linked PRIVATE and only where tensors are.
set(PREFIXD_LIBTORCH "" CACHE PATH "LibTorch's folder: the one that holds include/ and lib/")
if(NOT EXISTS "${PREFIXD_LIBTORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR
    "LibTorch is not in PREFIXD_LIBTORCH=\"${PREFIXD_LIBTORCH}\". "
    "Run scripts/bootstrap, which brings it, or name a folder that holds lib/libtorch_cpu.so.")
endif()
add_library(prefixd_torch INTERFACE)
target_include_directories(prefixd_torch SYSTEM INTERFACE
  "${PREFIXD_LIBTORCH}/include" "${PREFIXD_LIBTORCH}/include/torch/csrc/api/include")
target_link_libraries(prefixd_torch INTERFACE
  "${PREFIXD_LIBTORCH}/lib/libtorch_cpu.so" "${PREFIXD_LIBTORCH}/lib/libc10.so")
target_link_options(prefixd_torch INTERFACE "-Wl,-rpath,${PREFIXD_LIBTORCH}/lib")
# fbgemm's headers call a macro of a newer asmjit than Debian's. An option, as CMake's definitions
# cannot take arguments.
target_compile_options(prefixd_torch INTERFACE
  "-DASMJIT_LIBRARY_MAKE_VERSION(a,b,c)=((a)*65536+(b)*256+(c))")
