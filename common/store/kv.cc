// SPDX-License-Identifier: Apache-2.0
#include "store/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace
{

using leveldb::Slice;
using leveldb::Status;

Status sync_dir(const std::string &dir)
{
    int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return Status::IOError(dir, strerror(errno));
    Status status;
    if (fsync(fd) != 0)
        status = Status::IOError(dir, strerror(errno));
    close(fd);
    return status;
}

// LevelDB deletes a log file object without syncing it when it goes on to the next file. What was
// written there unsynced would then not be covered by a sync of the next file.
class LogFile final : public leveldb::WritableFile
{
  public:
    LogFile(leveldb::WritableFile *file, std::string dir, std::atomic<bool> *lost)
        : file_(file), dir_(std::move(dir)), lost_(lost)
    {
    }

    ~LogFile() override
    {
        if (!closed_)
            Close();
        delete file_;
    }

    Status Append(const Slice &data) override
    {
        dirty_ = true;
        return note(file_->Append(data));
    }

    Status Flush() override
    {
        return note(file_->Flush());
    }

    Status Sync() override
    {
        // A sync that failed is never tried again: what it did not write may be gone from the
        // cache.
        if (failed_)
            return Status::IOError(dir_, "the log file has failed before");
        Status status = file_->Sync();
        if (status.ok())
            dirty_ = false;
        return note(status);
    }

    Status Close() override
    {
        closed_ = true;
        Status status;
        if (dirty_ && !failed_)
            status = Sync();
        Status closing = note(file_->Close());
        return status.ok() ? closing : status;
    }

  private:
    Status note(Status status)
    {
        if (!status.ok()) {
            failed_ = true;
            lost_->store(true);
        }
        return status;
    }

    leveldb::WritableFile *file_;
    std::string dir_;
    std::atomic<bool> *lost_;
    bool dirty_ = false, failed_ = false, closed_ = false;
};

bool ends_with(const std::string &name, const char *end)
{
    size_t size = strlen(end);
    return name.size() > size && name.compare(name.size() - size, size, end) == 0;
}

class Env final : public leveldb::EnvWrapper
{
  public:
    Env() : EnvWrapper(leveldb::Env::Default())
    {
    }

    Status NewWritableFile(const std::string &name, leveldb::WritableFile **ret) override
    {
        Status status = target()->NewWritableFile(name, ret);
        bool log = ends_with(name, ".log");
        if (!status.ok() || (!log && !ends_with(name, ".ldb")))
            return status;
        // The manifest may name the file before anything in it is synced (what it says of a table
        // may reach the disk by itself before LevelDB syncs the directory), and one that is named
        // and missing cannot be told from one that was lost: so its name is durable first.
        std::string dir = name.substr(0, name.rfind('/'));
        status = sync_dir(dir);
        if (!status.ok()) {
            lost = true;
            delete *ret;
            *ret = nullptr;
        } else if (log) {
            *ret = new LogFile(*ret, dir, &lost);
        }
        return status;
    }

    // CURRENT is renamed into its place, and what it no longer names is deleted after that. A sync
    // that fails here is not LevelDB's business: it would take back what CURRENT names already. It
    // is found out after the next commit, and until then nothing is deleted.
    Status RenameFile(const std::string &from, const std::string &to) override
    {
        Status status = target()->RenameFile(from, to);
        if (status.ok() && !sync_dir(to.substr(0, to.rfind('/'))).ok())
            lost = true;
        return status;
    }

    Status RemoveFile(const std::string &name) override
    {
        return lost ? Status::OK() : target()->RemoveFile(name);
    }

    std::atomic<bool> lost{false}; // something could not be written or synced
};

class Silent final : public leveldb::Logger
{
  public:
    void Logv(const char *, std::va_list) override
    {
    }
};

int refuse(assent_error *error, const Status &status)
{
    int code = status.IsCorruption() ? ASSENT_CORRUPT : ASSENT_IO;
    return error_set(error, code, "LevelDB: %s", status.ToString().c_str());
}

Slice slice_in(struct slice s)
{
    return Slice(static_cast<const char *>(s.data), s.size);
}

struct slice slice_out(const Slice &s)
{
    return slice_of(s.data(), s.size());
}

enum {
    WRITE_BUFFER_BYTES = 4 << 20,
    TABLE_BYTES = 2 << 20,
    OPEN_FILES = 500,
    BLOOM_BITS = 10,
};

} // namespace

struct kv {
    Env env; // outlives the database
    Silent silent;
    const leveldb::FilterPolicy *filter;
    leveldb::DB *db;
    leveldb::WriteBatch batch;
    std::string scratch;
};

struct kv_cursor {
    leveldb::Iterator *at;
};

static int check_lost(const struct kv *self, assent_error *error)
{
    return self->env.lost ? error_set(error, ASSENT_IO, "LevelDB: a file could not be synced")
                          : ASSENT_OK;
}

int kv_open(const char *dir, bool create, size_t buffer_bytes, struct kv **ret, assent_error *error)
{
    kv *self = new kv();
    self->filter = leveldb::NewBloomFilterPolicy(BLOOM_BITS);
    leveldb::Options options;
    options.env = &self->env;
    options.info_log = &self->silent;
    options.create_if_missing = create;
    options.paranoid_checks = true;
    options.compression = leveldb::kNoCompression;
    options.write_buffer_size = buffer_bytes ? buffer_bytes : size_t{WRITE_BUFFER_BYTES};
    options.max_file_size = TABLE_BYTES;
    options.max_open_files = OPEN_FILES;
    options.filter_policy = self->filter;
    self->db = nullptr;
    Status status = leveldb::DB::Open(options, dir, &self->db);
    if (!status.ok()) {
        kv_close(&self);
        return refuse(error, status);
    }
    int code = check_lost(self, error);
    if (code == ASSENT_OK)
        *ret = self;
    else
        kv_close(&self);
    return code;
}

void kv_close(struct kv **self_p)
{
    if (!*self_p)
        return;
    delete (*self_p)->db;
    delete (*self_p)->filter;
    delete *self_p;
    *self_p = nullptr;
}

int kv_get(struct kv *self, struct slice key, struct slice *ret, assent_error *error)
{
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    Status status = self->db->Get(options, slice_in(key), &self->scratch);
    if (status.IsNotFound())
        return ASSENT_UNKNOWN;
    if (!status.ok())
        return refuse(error, status);
    *ret = slice_out(self->scratch);
    return ASSENT_OK;
}

void kv_put(struct kv *self, struct slice key, struct slice value)
{
    self->batch.Put(slice_in(key), slice_in(value));
}

void kv_delete(struct kv *self, struct slice key)
{
    self->batch.Delete(slice_in(key));
}

size_t kv_pending_bytes(const struct kv *self)
{
    return self->batch.ApproximateSize();
}

void kv_abandon(struct kv *self)
{
    self->batch.Clear();
}

int kv_commit(struct kv *self, bool sync, assent_error *error)
{
    leveldb::WriteOptions options;
    options.sync = sync;
    Status status = self->db->Write(options, &self->batch);
    self->batch.Clear();
    if (!status.ok())
        return refuse(error, status);
    return check_lost(self, error);
}

struct kv_cursor *kv_cursor_new(struct kv *self)
{
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    options.fill_cache = false;
    return new kv_cursor{self->db->NewIterator(options)};
}

void kv_cursor_destroy(struct kv_cursor **self_p)
{
    if (!*self_p)
        return;
    delete (*self_p)->at;
    delete *self_p;
    *self_p = nullptr;
}

void kv_cursor_seek(struct kv_cursor *self, struct slice key)
{
    self->at->Seek(slice_in(key));
}

void kv_cursor_seek_last(struct kv_cursor *self, struct slice key)
{
    self->at->Seek(slice_in(key));
    if (!self->at->Valid())
        self->at->SeekToLast();
    else if (self->at->key().compare(slice_in(key)) > 0)
        self->at->Prev();
}

bool kv_cursor_valid(const struct kv_cursor *self)
{
    return self->at->Valid();
}

void kv_cursor_next(struct kv_cursor *self)
{
    self->at->Next();
}

void kv_cursor_prev(struct kv_cursor *self)
{
    self->at->Prev();
}

struct slice kv_cursor_key(const struct kv_cursor *self)
{
    return slice_out(self->at->key());
}

struct slice kv_cursor_value(const struct kv_cursor *self)
{
    return slice_out(self->at->value());
}

int kv_cursor_status(const struct kv_cursor *self, assent_error *error)
{
    Status status = self->at->status();
    return status.ok() ? ASSENT_OK : refuse(error, status);
}
