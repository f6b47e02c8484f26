// Ctrl-C and its like as a function call.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

namespace prefixd {

// While it lives, SIGINT, SIGTERM and SIGHUP call `on_signal`, on a thread of the watcher; a second
// signal calls `on_second` and ends the process with status 130 at once. Make it before any other
// thread: threads that are older than it may still take these signals. One at a time.
class SignalWatcher {
 public:
  SignalWatcher(std::function<void()> on_signal, std::function<void()> on_second);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void Watch();

  const std::function<void()> on_signal_;
  const std::function<void()> on_second_;
  sigset_t previous_mask_;
  int signals_ = -1;  // signalfd
  int stop_ = -1;     // eventfd
  std::thread thread_;
};

}  // namespace prefixd
