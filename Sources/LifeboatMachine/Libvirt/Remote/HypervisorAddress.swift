internal import Foundation
internal import LifeboatCore

/// What a URI of libvirt says of the way to the hypervisor.
struct HypervisorAddress: Sendable, Equatable {
    enum Way: Sendable, Equatable {
        /// A daemon of this host.
        case local
        case secureShell(SecureShell)
        /// A connection of QEMU's own, encrypted or not.
        case network(host: String, hasTLS: Bool)
    }

    var way: Way
    /// A folder with libvirt's certificates for clients, where the URI names one.
    var certificates: String?

    init(_ uri: String) {
        way = .local
        let parts = URLComponents(string: uri)
        let scheme = (parts?.scheme ?? uri.prefix { $0 != ":" }.description).split(separator: "+")
        let host = (parts?.host ?? "").trimmingCharacters(in: ["[", "]"])
        var parameters: [String: String] = [:]
        for item in parts?.queryItems ?? [] { parameters[item.name] = item.value ?? "" }
        certificates = parameters["pkipath"]
        guard !host.isEmpty else { return }
        switch scheme.count > 1 ? String(scheme[1]) : "tls" {
        case "ssh", "libssh", "libssh2":
            way = .secureShell(
                SecureShell(
                    host: host, user: parts?.user, port: parts?.port,
                    keyFile: parameters["keyfile"], knownHosts: parameters["known_hosts"],
                    program: parameters["command"],
                    verifiesHost: parameters["no_verify"].map { $0 == "0" } ?? true))
        case "tls": way = .network(host: host, hasTLS: true)
        case "tcp": way = .network(host: host, hasTLS: false)
        default: break
        }
    }

    var isLocal: Bool { way == .local }

    var secureShell: SecureShell? {
        if case .secureShell(let shell) = way { shell } else { nil }
    }
}
