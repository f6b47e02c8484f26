// Writes GGUF files for tests, the malformed ones too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prefixd {

inline constexpr uint32_t kGgufUint32 = 4;
inline constexpr uint32_t kGgufFloat32 = 6;
inline constexpr uint32_t kGgufBool = 7;
inline constexpr uint32_t kGgufString = 8;
inline constexpr uint32_t kGgufArray = 9;
inline constexpr uint32_t kGgmlF32 = 0;

template <typename T>
std::string Raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

inline std::string RawString(std::string_view text) {
  return Raw<uint64_t>(text.size()).append(text);
}

// Add entries and tensors, then ask for the file's bytes.
class GgufBuilder {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;  // of the data; does not write the entry

  GgufBuilder& Entry(std::string_view key, uint32_t type, const std::string& value) {
    ++entries_;
    header_ += RawString(key) + Raw(type) + value;
    return *this;
  }
  GgufBuilder& String(std::string_view key, std::string_view value) {
    return Entry(key, kGgufString, RawString(value));
  }
  GgufBuilder& Uint32(std::string_view key, uint32_t value) {
    return Entry(key, kGgufUint32, Raw(value));
  }
  GgufBuilder& Float32(std::string_view key, float value) {
    return Entry(key, kGgufFloat32, Raw(value));
  }

  // `dimensions` as in the file: innermost first.
  GgufBuilder& Tensor(std::string_view name, const std::vector<int64_t>& dimensions, uint32_t type,
                      uint64_t offset) {
    ++tensors_;
    infos_ += RawString(name) + Raw<uint32_t>(dimensions.size());
    for (const int64_t dimension : dimensions) infos_ += Raw(dimension);
    infos_ += Raw(type) + Raw(offset);
    return *this;
  }

  std::string Build(std::string_view data) const {
    std::string file = "GGUF" + Raw(version) + Raw<uint64_t>(tensors_) + Raw<uint64_t>(entries_) +
                       header_ + infos_;
    file.append((alignment - file.size() % alignment) % alignment, '\0');
    return file.append(data);
  }

 private:
  uint64_t entries_ = 0;
  uint64_t tensors_ = 0;
  std::string header_;
  std::string infos_;
};

}  // namespace prefixd
