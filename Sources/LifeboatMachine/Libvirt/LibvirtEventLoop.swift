internal import CLibvirt
internal import LifeboatSystem

/// The library's event loop, on a thread that never ends.
///
/// Without it no keepalive is sent, and a daemon or network that is gone is never noticed.
enum LibvirtEventLoop {
    /// Whether it runs; set up once, before the first connection is opened.
    static let isRunning: Bool = {
        // The library would print every error to standard error.
        virSetErrorFunc(nil) { _, _ in }
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else { return false }
        _ = Threads.start(name: "libvirt events") {
            while true {
                // It fails where polling does; then a pause keeps this from spinning.
                if virEventRunDefaultImpl() < 0 { Threads.sleep(seconds: 1) }
            }
        }
        return true
    }()
}
