// A store that passes everything on to another one. Tests override what shall go differently.
#pragma once

#include <memory>

#include "sheaf/storage/backend.hpp"

namespace sheaf::test {

class PassingBackend : public Backend {
 public:
  explicit PassingBackend(Backend& inner) : inner_(inner) {}
  explicit PassingBackend(std::unique_ptr<Backend> inner) : owned_(std::move(inner)), inner_(*owned_) {}

  Result<void> open() override { return inner_.open(); }
  Result<void> close() override { return inner_.close(); }
  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override { return inner_.get(key, out, checked); }
  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override {
    return inner_.post(value, traits, durable);
  }
  Result<void> write(const Batch& batch, Durable durable) override { return inner_.write(batch, durable); }
  Result<void> sync() override { return inner_.sync(); }
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override { return inner_.iterate(range); }
  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override {
    return inner_.changes(options);
  }
  bool poisoned() const override { return inner_.poisoned(); }
  const StoreLimits& limits() const override { return inner_.limits(); }
  std::string trouble() const override { return inner_.trouble(); }

 private:
  const std::unique_ptr<Backend> owned_;
  Backend& inner_;
};

}  // namespace sheaf::test
