internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// libvirt's certificates for clients, under the names that NBD looks for.
struct TLSFolder {
    private static let names = ["ca-cert.pem", "client-cert.pem", "client-key.pem"]

    /// Makes links in `folder` to the certificates that libvirt itself uses.
    ///
    /// `certificates`: the folder that the URI names; libvirt's own places when `nil`.
    static func make(in folder: String, certificates: String?) throws(LifeboatError) {
        let files =
            certificates.map { place in
                ["cacert.pem", "clientcert.pem", "clientkey.pem"].map { "\(place)/\($0)" }
            } ?? [
                "/etc/pki/CA/cacert.pem", "/etc/pki/libvirt/clientcert.pem",
                "/etc/pki/libvirt/private/clientkey.pem",
            ]
        for (name, file) in zip(names, files) where Files.exists(file) {
            let link = "\(folder)/\(name)"
            if symlink(Files.absolute(file), link) != 0, errno != EEXIST {
                throw .system("cannot make the link \(link)", path: link, number: errno)
            }
        }
    }
}
