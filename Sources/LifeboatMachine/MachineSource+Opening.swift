public import LifeboatCore

extension MachineSource {
    /// Reaches the machine, without touching it.
    ///
    /// `connection`: the URI of the hypervisor for `libvirt:` sources; the system's when `nil`.
    /// - Throws: `.missing` when there is no such machine, `.unavailable` when nobody answers.
    public func open(connection: String?) throws(LifeboatError) -> any ProtectedMachine {
        switch self {
        case .libvirt(let domain):
            try LibvirtMachine(domain: domain, uri: connection ?? LibvirtConnection.systemURI)
        case .qemu(let location): try QEMUMachine(location)
        case .directoryHooks(let file): try HookedStorage(HookedConfiguration(file: file))
        }
    }
}
