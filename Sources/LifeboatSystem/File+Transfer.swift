internal import CLinux
internal import Glibc
public import LifeboatCore

extension File {
    /// Fills `target` from `offset` on; the result is smaller only at the end of the file.
    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        var done = 0
        while done < target.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
            let count = pread(
                descriptor, rest.baseAddress, rest.count, try position(offset, done))
            if count == 0 { break }
            if count > 0 {
                done += count
                // The rest would not be aligned: a direct read stops early only at the end.
                if isDirect, done % 512 != 0 { break }
            } else if isDirect, done > 0, errno == EINVAL {
                break
            } else if errno != EINTR {
                throw failure(
                    "cannot read bytes \(offset)-\(offset + UInt64(target.count)) of",
                    reading: true)
            }
        }
        return done
    }

    /// Reads on from the file position until `target` is full or the file ends; for pipes too.
    public func readNext(
        into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        var done = 0
        while done < target.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
            let count = Glibc.read(descriptor, rest.baseAddress, rest.count)
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno == EAGAIN {
                wait(for: POLLIN)
            } else if errno != EINTR {
                throw failure("cannot read", reading: true)
            }
        }
        return done
    }

    /// Writes all of `bytes` at `offset`.
    public func write(
        at offset: UInt64, _ bytes: UnsafeRawBufferPointer
    ) throws(LifeboatError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = pwrite(
                descriptor, rest.baseAddress, rest.count, try position(offset, done))
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                throw failure(
                    "cannot write bytes \(offset)-\(offset + UInt64(bytes.count)) of")
            }
        }
    }

    /// Writes all of `bytes` at the file position; for pipes too.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(LifeboatError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                wait(for: POLLOUT)
            } else if errno != EINTR {
                throw failure("cannot write")
            }
        }
    }

    private func position(_ offset: UInt64, _ done: Int) throws(LifeboatError) -> off_t {
        let (sum, overflow) = offset.addingReportingOverflow(UInt64(done))
        guard !overflow, let position = off_t(exactly: sum) else {
            throw LifeboatError(
                .unsupported, "byte \(offset) is further than \(path) can reach", subject: path)
        }
        return position
    }

    /// Somebody made this descriptor non-blocking; wait for it as if it were not.
    private func wait(for events: Int32) {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        poll(&entry, 1, -1)
    }
}
