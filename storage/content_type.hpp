// What a value is by its first bytes, in the words of MIME: libmagic's answer.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "sheaf/protocol/bytes.hpp"

struct magic_set;

namespace sheaf {

// A pattern as routes have it: "type/subtype" or "type/*", in any case.
bool is_content_type(const std::string& pattern);

// Asking is slow and done by one thread at a time. The bytes may be a stranger's, so
// nothing is unpacked, and of what has a structure of its own (ELF, OLE documents) only the beginning is
// looked at.
class ContentTypes {
 public:
  // Throws std::invalid_argument where libmagic's database cannot be read.
  ContentTypes();
  ~ContentTypes();
  ContentTypes(const ContentTypes&) = delete;
  ContentTypes& operator=(const ContentTypes&) = delete;

  // "application/octet-stream" for what it does not know, "application/x-empty" for nothing at all.
  std::string of(Bytes value);  // the first content_type_bytes of it

 private:
  std::mutex asking_;
  magic_set* const magic_;
};

// One for the process, made when it is first asked for: the database takes milliseconds to read. Throws as
// the constructor.
ContentTypes& content_types();

// Whether a type is what a pattern says.
bool matches_content_type(const std::string& type, const std::string& pattern);

}  // namespace sheaf
