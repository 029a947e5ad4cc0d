internal import CLibvirt
internal import LifeboatCore

/// Turns what libvirt says into errors of Lifeboat.
enum LibvirtFailure {
    /// The error that this thread's last call left.
    static func last(_ what: String, _ subject: String) -> LifeboatError {
        guard let error = virGetLastError() else {
            return LifeboatError(.unavailable, what + " failed", subject: subject)
        }
        let cause = error.pointee.message.map { String(cString: $0) }
        return LifeboatError(
            code(of: error.pointee.code), what + " failed", subject: subject, cause: cause)
    }

    /// What kind of failure one of libvirt's error numbers is.
    ///
    /// `.damaged` is nothing but an inconsistent checkpoint.
    static func code(of number: Int32) -> LifeboatError.Code {
        codes[UInt32(bitPattern: number)] ?? .refused
    }

    private static let codes: [UInt32: LifeboatError.Code] = {
        var table: [UInt32: LifeboatError.Code] = [
            VIR_ERR_CHECKPOINT_INCONSISTENT.rawValue: .damaged
        ]
        let groups: [(LifeboatError.Code, [virErrorNumber])] = [
            (
                .missing,
                [
                    VIR_ERR_NO_DOMAIN, VIR_ERR_NO_NETWORK, VIR_ERR_NO_STORAGE_POOL,
                    VIR_ERR_NO_STORAGE_VOL, VIR_ERR_NO_DOMAIN_CHECKPOINT,
                    VIR_ERR_NO_DOMAIN_SNAPSHOT, VIR_ERR_NO_DOMAIN_BACKUP, VIR_ERR_NO_SECRET,
                    VIR_ERR_NO_DOMAIN_METADATA,
                ]
            ),
            (
                .denied,
                [
                    VIR_ERR_AUTH_FAILED, VIR_ERR_AUTH_CANCELLED, VIR_ERR_AUTH_UNAVAILABLE,
                    VIR_ERR_ACCESS_DENIED, VIR_ERR_OPERATION_DENIED,
                ]
            ),
            (
                .unavailable,
                [
                    VIR_ERR_OPERATION_TIMEOUT, VIR_ERR_AGENT_UNRESPONSIVE, VIR_ERR_NO_CONNECT,
                    VIR_ERR_RPC, VIR_ERR_SYSTEM_ERROR, VIR_ERR_AGENT_UNSYNCED,
                    VIR_ERR_LIBSSH, VIR_ERR_SSH, VIR_ERR_RESOURCE_BUSY, VIR_ERR_INTERNAL_ERROR,
                    VIR_ERR_INVALID_CONN,
                ]
            ),
            (.exists, [VIR_ERR_DOM_EXIST, VIR_ERR_NETWORK_EXIST, VIR_ERR_STORAGE_VOL_EXIST]),
            (
                .unsupported,
                [
                    VIR_ERR_NO_SUPPORT, VIR_ERR_CONFIG_UNSUPPORTED, VIR_ERR_ARGUMENT_UNSUPPORTED,
                    VIR_ERR_OPERATION_UNSUPPORTED,
                ]
            ),
        ]
        for (code, numbers) in groups {
            for number in numbers { table[number.rawValue] = code }
        }
        return table
    }()
}
