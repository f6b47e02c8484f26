#include "client/signal_watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

namespace prefixd {
namespace {

constexpr int kInterruptedExitCode = 130;  // what shells report for SIGINT

}  // namespace

SignalWatcher::SignalWatcher(std::function<void()> on_signal, std::function<void()> on_second)
    : on_signal_(std::move(on_signal)), on_second_(std::move(on_second)) {
  sigset_t watched;
  sigemptyset(&watched);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&watched, signal);
  pthread_sigmask(SIG_BLOCK, &watched, &previous_mask_);
  signals_ = signalfd(-1, &watched, SFD_CLOEXEC);
  stop_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { Watch(); });
}

SignalWatcher::~SignalWatcher() {
  eventfd_write(stop_, 1);
  thread_.join();
  close(signals_);
  close(stop_);
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

void SignalWatcher::Watch() {
  bool signalled = false;
  while (true) {
    pollfd events[] = {{.fd = stop_, .events = POLLIN, .revents = 0},
                       {.fd = signals_, .events = POLLIN, .revents = 0}};
    if (poll(events, 2, -1) < 0) continue;
    if (events[0].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals_, &info, sizeof(info)) != sizeof(info)) continue;
    if (signalled) {
      on_second_();
      _exit(kInterruptedExitCode);
    }
    signalled = true;
    on_signal_();
  }
}

}  // namespace prefixd
