internal import LifeboatCore

/// What one attempt at a request came to nothing by.
struct HTTPFailure: Error, Equatable {
    enum Kind: Sendable, CaseIterable {
        /// No connection: the name does not resolve, nobody listens, or it took too long.
        case connect
        /// The TLS handshake failed, for no reason that has a case of its own.
        case handshake
        /// No authority that is trusted stands behind the certificate.
        case untrusted
        /// The certificate is for another name.
        case wrongName
        /// The certificate is not valid any more, or not yet.
        case expired
        /// The file of the trusted authorities cannot be used.
        case authorityFile
        /// The source address or the interface cannot be used.
        case source
        /// The request itself is wrong: its URL, or a header.
        case request
        /// No byte either way for too long.
        case stalled
        /// The whole attempt took too long.
        case deadline
        /// The connection ended before the reply did.
        case cut
        /// More bytes than there is room for.
        case tooLarge
        /// The process was asked to end.
        case ending
    }

    let kind: Kind
    /// The library's words, without credentials.
    let message: String
    /// The server may have done what it was asked for.
    let mayHaveTakenEffect: Bool

    /// The same request may go better next time.
    var isTransient: Bool {
        switch kind {
        case .connect, .handshake, .stalled, .deadline, .cut: true
        case .untrusted, .wrongName, .expired, .authorityFile, .source, .request, .tooLarge,
            .ending:
            false
        }
    }

    /// It may come from asking too much at once.
    var isCongestion: Bool { kind == .stalled || kind == .deadline }

    /// The error that callers of the store see.
    func error(subject: String, place: String) -> LifeboatError {
        let (code, text, advice) = explanation(place)
        return LifeboatError(
            code, text, subject: subject, cause: message.isEmpty ? nil : message, advice: advice)
    }

    private func explanation(_ place: String) -> (LifeboatError.Code, String, String?) {
        switch kind {
        case .connect:
            (
                .unavailable, "\(place) cannot be reached",
                "check the address, the network and whether the store runs, then try again"
            )
        case .handshake:
            (
                .unavailable, "no secure connection to \(place)",
                "check that the store speaks TLS 1.2 or later there"
            )
        case .untrusted:
            (
                .refused, "the certificate of \(place) comes from no authority that is trusted",
                "name the file with the authority's certificate, or have the system trust it"
            )
        case .wrongName:
            (
                .refused, "the certificate of \(place) is for another name",
                "use the name that the certificate was made for, or have a new one made"
            )
        case .expired:
            (
                .refused, "the certificate of \(place) is not valid at this time",
                "have it renewed, and check this machine's clock"
            )
        case .authorityFile:
            (
                .refused, "the trusted authorities' certificates cannot be read",
                "name a file with certificates in PEM form, or install ca-certificates"
            )
        case .source:
            (
                .unavailable, "the source address or the interface cannot be used",
                "name an address or an interface that this machine has"
            )
        case .request: (.internalFault, "the request to \(place) cannot be sent", nil)
        case .stalled:
            (
                .unavailable, "\(place) does not answer any more",
                "check the network and the store, then try again"
            )
        case .deadline:
            (
                .unavailable, "\(place) takes too long",
                "check the network and the store, then try again"
            )
        case .cut:
            (
                .unavailable, "the connection to \(place) was cut",
                "check the network and the store, then try again"
            )
        case .ending: (.cancelled, "interrupted while waiting for \(place)", nil)
        case .tooLarge: (.damaged, "\(place) sends more than was asked for", nil)
        }
    }
}
