import ArgumentParser
import LifeboatCore

/// A rate on the command line: `20MB/s`, `512KiB/s`, `none`.
struct TrafficRateArgument: ExpressibleByArgument, Equatable, Sendable {
    var rate: TrafficRate

    init?(argument: String) {
        guard let rate = TrafficRate(argument) else { return nil }
        self.rate = rate
    }
}

/// How the process may use the network.
struct TrafficOptions: ParsableArguments {
    @Option(
        name: .customLong("limit-upload"),
        help: ArgumentHelp(
            "Send at most this to the store, such as 20MB/s or 512KiB/s; none for no limit.",
            valueName: "rate"))
    var upload: TrafficRateArgument?

    @Option(
        name: .customLong("limit-download"),
        help: ArgumentHelp(
            "Receive at most this from the store; none for no limit.", valueName: "rate"))
    var download: TrafficRateArgument?

    @Option(
        name: .customLong("source-address"),
        help: ArgumentHelp(
            "Connect to the store from this address of this machine.", valueName: "address"))
    var sourceAddress: String?

    @Option(
        help: ArgumentHelp(
            "Connect to the store through this network interface.", valueName: "name"))
    var interface: String?

    @OptionGroup var links: LinkOptions

    func validate() throws {
        if sourceAddress != nil, interface != nil {
            throw ValidationError("--source-address and --interface exclude each other")
        }
        for (name, value) in [("source-address", sourceAddress), ("interface", interface)] {
            guard let value else { continue }
            guard !value.isEmpty,
                value.utf8.allSatisfy({ (33...126).contains($0) && $0 != UInt8(ascii: "!") })
            else { throw ValidationError("--\(name) has no usable value") }
        }
    }

    /// Puts what was given into force.
    func restrict(_ network: inout NetworkOptions) {
        network.uploadLimit = upload?.rate ?? .unlimited
        network.downloadLimit = download?.rate ?? .unlimited
        network.sourceAddress = sourceAddress
        network.interface = interface
    }
}

/// Where this host's links are described.
struct LinkOptions: ParsableArguments {
    @Option(
        name: .customLong("links"),
        help: ArgumentHelp(
            """
            The file that describes this host's links. Or LIFEBOAT_LINKS; else \
            $XDG_CONFIG_HOME/lifeboat/links.yaml, ~/.config/lifeboat/links.yaml or \
            /etc/lifeboat/links.yaml, for root only the last.
            """, valueName: "file"), completion: .file())
    var file: String?
}
