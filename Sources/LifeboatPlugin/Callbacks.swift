import CNBDKit
import Glibc
import Lifeboat
import LifeboatCore
import LifeboatSystem

// What nbdkit calls, by way of CNBDKit.c.

/// Runs `body`; an error goes to nbdkit's log and to the client, as a number.
private func answer<Value>(
    _ failed: Value, _ body: () throws(LifeboatError) -> Value
) -> Value {
    do throws(LifeboatError) {
        return try body()
    } catch {
        lifeboat_nbdkit_error(error.description)
        lifeboat_nbdkit_set_error(number(error))
        return failed
    }
}

private func number(_ error: LifeboatError) -> Int32 {
    if Server.shared.cancellation.isCancelled { return ESHUTDOWN }
    return switch error.code {
    case .missing: ENOENT
    case .usage: EINVAL
    default: EIO
    }
}

/// The volume of a connection.
private func volume(_ handle: UnsafeMutableRawPointer) -> ServedVolume {
    Unmanaged<ServedVolume>.fromOpaque(handle).takeUnretainedValue()
}

@_cdecl("lifeboat_plugin_load")
func load() {
    if Files.environment("LIFEBOAT_ALLOW_CORE") != "1" { lifeboat_nbdkit_forbid_core() }
}

@_cdecl("lifeboat_plugin_config")
func configure(_ key: UnsafePointer<CChar>, _ value: UnsafePointer<CChar>) -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        try Server.shared.configure(String(cString: key), String(cString: value))
        return 0
    }
}

@_cdecl("lifeboat_plugin_config_complete")
func completeConfiguration() -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        try Server.shared.check()
        return 0
    }
}

@_cdecl("lifeboat_plugin_after_fork")
func begin() -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        try Server.shared.begin()
        return 0
    }
}

@_cdecl("lifeboat_plugin_cleanup")
func cleanUp() { Server.shared.end() }

@_cdecl("lifeboat_plugin_list_exports")
func listExports(_ exports: OpaquePointer) -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        for name in try Server.shared.exports() {
            guard lifeboat_nbdkit_add_export(exports, name) == 0 else { return -1 }
        }
        return 0
    }
}

@_cdecl("lifeboat_plugin_default_export")
func defaultExport() -> UnsafePointer<CChar>? {
    answer(nil) { () throws(LifeboatError) in
        lifeboat_nbdkit_intern(try Server.shared.defaultExport())
    }
}

@_cdecl("lifeboat_plugin_open")
func open() -> UnsafeMutableRawPointer? {
    answer(nil) { () throws(LifeboatError) in
        let name = lifeboat_nbdkit_export_name().map { String(cString: $0) } ?? ""
        return Unmanaged.passRetained(try Server.shared.volume(name)).toOpaque()
    }
}

@_cdecl("lifeboat_plugin_close")
func close(_ handle: UnsafeMutableRawPointer) {
    Unmanaged<ServedVolume>.fromOpaque(handle).release()
}

@_cdecl("lifeboat_plugin_get_size")
func size(_ handle: UnsafeMutableRawPointer) -> Int64 { Int64(volume(handle).size) }

@_cdecl("lifeboat_plugin_block_size")
func blockSize(_ handle: UnsafeMutableRawPointer) -> UInt32 {
    // The protocol wants a power of two of at least 512 and at most 2 MiB.
    UInt32(min(2 << 20, max(512, volume(handle).blockSize)))
}

@_cdecl("lifeboat_plugin_pread")
func read(
    _ handle: UnsafeMutableRawPointer, _ buffer: UnsafeMutableRawPointer, _ count: UInt32,
    _ offset: UInt64
) -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        try volume(handle).read(
            at: offset,
            into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)))
        return 0
    }
}

@_cdecl("lifeboat_plugin_extents")
func extents(
    _ handle: UnsafeMutableRawPointer, _ count: UInt32, _ offset: UInt64,
    _ extents: OpaquePointer
) -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        let asked = Extent(offset: offset, length: UInt64(count))
        for run in try volume(handle).runs(asked) {
            guard
                lifeboat_nbdkit_add_extent(
                    extents, run.extent.offset, run.extent.length, run.isHole ? 1 : 0) == 0
            else { return -1 }
        }
        return 0
    }
}

@_cdecl("lifeboat_plugin_cache")
func cache(_ handle: UnsafeMutableRawPointer, _ count: UInt32, _ offset: UInt64) -> Int32 {
    answer(-1) { () throws(LifeboatError) in
        try volume(handle).prefetch(Extent(offset: offset, length: UInt64(count)))
        return 0
    }
}
