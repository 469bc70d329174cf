// SPDX-License-Identifier: Apache-2.0
#include "turns.h"

#include <leveldb/env.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace
{

thread_local bool compacting;

struct Work {
    void (*function)(void *);
    void *arg;
};

class Turns
{
  public:
    void Schedule(void (*function)(void *), void *arg)
    {
        std::lock_guard<std::mutex> hold(lock_);
        if (!started_)
            std::thread(&Turns::Run, this).detach();
        started_ = true;
        work_.push_back({function, arg});
        changed_.notify_all();
    }

    void Bind(bool bound)
    {
        std::lock_guard<std::mutex> hold(lock_);
        bound_ = bound;
        left_ = 0;
        changed_.notify_all();
    }

    void Give(uint64_t calls)
    {
        std::unique_lock<std::mutex> hold(lock_);
        left_ = calls;
        changed_.notify_all();
        changed_.wait(hold, [this] { return work_.empty() || (left_ == 0 && waiting_); });
        left_ = 0;
    }

    void Take()
    {
        std::unique_lock<std::mutex> hold(lock_);
        waiting_ = true;
        changed_.notify_all();
        changed_.wait(hold, [this] { return !bound_ || left_ > 0; });
        waiting_ = false;
        if (bound_)
            left_--;
    }

    bool Pending()
    {
        std::lock_guard<std::mutex> hold(lock_);
        return !work_.empty();
    }

  private:
    void Run()
    {
        compacting = true;
        for (;;) {
            std::unique_lock<std::mutex> hold(lock_);
            changed_.wait(hold, [this] { return !work_.empty(); });
            Work work = work_.front();
            hold.unlock();
            Take();
            work.function(work.arg);
            hold.lock();
            work_.pop_front();
            changed_.notify_all();
        }
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<Work> work_; // the first one runs
    uint64_t left_ = 0;     // calls that compactions may still make
    bool bound_ = false, waiting_ = false, started_ = false;
};

Turns &turns()
{
    static Turns *all = new Turns(); // outlives the thread
    return *all;
}

class Env final : public leveldb::EnvWrapper
{
  public:
    explicit Env(leveldb::Env *real) : EnvWrapper(real)
    {
    }

    void Schedule(void (*function)(void *), void *arg) override
    {
        turns().Schedule(function, arg);
    }

    // Directories have no order of their own, and files are deleted in the order found here.
    leveldb::Status GetChildren(const std::string &dir, std::vector<std::string> *ret) override
    {
        leveldb::Status status = target()->GetChildren(dir, ret);
        std::sort(ret->begin(), ret->end());
        return status;
    }
};

} // namespace

// leveldb::Env::Default(), by the linker's --wrap.
leveldb::Env *real_default() __asm__("__real__ZN7leveldb3Env7DefaultEv");
leveldb::Env *wrapped_default() __asm__("__wrap__ZN7leveldb3Env7DefaultEv");

leveldb::Env *wrapped_default()
{
    static Env *env = new Env(real_default());
    return env;
}

void turns_begin(void)
{
    turns().Bind(true);
}

void turns_end(void)
{
    turns().Bind(false);
}

void turns_give(uint64_t calls)
{
    turns().Give(calls);
}

void turns_finish(void)
{
    turns().Give(UINT64_MAX);
}

bool turns_pending(void)
{
    return turns().Pending();
}

bool turns_in_compaction(void)
{
    return compacting;
}

void turns_take(void)
{
    turns().Take();
}
