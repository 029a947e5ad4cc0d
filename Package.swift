// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

/// A library module and its test target, by the layers of docs/architecture.md.
func module(
    _ name: String, _ dependencies: [Target.Dependency], tests: [Target.Dependency] = []
) -> [Target] {
    [
        .target(name: name, dependencies: dependencies, swiftSettings: settings),
        .testTarget(
            name: name + "Tests", dependencies: [.init(stringLiteral: name)] + dependencies + tests,
            swiftSettings: settings),
    ]
}

var targets: [Target] = [
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
        name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(
        name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
    .systemLibrary(name: "CNBD", pkgConfig: "libnbd", providers: [.apt(["libnbd-dev"])]),
    .systemLibrary(name: "CLibvirt", pkgConfig: "libvirt", providers: [.apt(["libvirt-dev"])]),
    .target(name: "CLinux"),
]
targets += module("LifeboatCore", [])
targets += module("LifeboatFormat", ["LifeboatCore"], tests: ["LifeboatTesting"])
targets += module(
    "LifeboatCodec", ["LifeboatCore", "CZstd", "CCrypto", crypto], tests: ["LifeboatTesting"])
targets += module("LifeboatSystem", ["LifeboatCore", "CLinux"])
targets += module(
    "LifeboatStore", ["LifeboatCore", "LifeboatSystem", "CCurl", "CCrypto", yams],
    tests: ["LifeboatTesting"])
targets += module(
    "LifeboatVolume", ["LifeboatCore", "LifeboatSystem", "CNBD"], tests: ["LifeboatTesting"])
targets += module(
    "LifeboatMachine",
    ["LifeboatCore", "LifeboatFormat", "LifeboatSystem", "LifeboatVolume", "CLibvirt", yams],
    tests: ["LifeboatTesting"])
targets += module(
    "LifeboatProtocol", ["LifeboatCore", "LifeboatFormat"], tests: ["LifeboatTesting"])
targets += module(
    "LifeboatSimulation", ["LifeboatCore", "LifeboatFormat", "LifeboatProtocol"],
    tests: ["LifeboatTesting"])
targets += module(
    "LifeboatArchive",
    [
        "LifeboatCore", "LifeboatFormat", "LifeboatCodec", "LifeboatSystem", "LifeboatStore",
        "LifeboatProtocol",
    ],
    tests: ["LifeboatTesting"])
targets += module(
    "Lifeboat",
    [
        "LifeboatCore", "LifeboatFormat", "LifeboatCodec", "LifeboatSystem", "LifeboatStore",
        "LifeboatVolume", "LifeboatMachine", "LifeboatProtocol", "LifeboatArchive",
    ], tests: ["LifeboatTesting"])
targets += [
    .target(
        name: "LifeboatTesting",
        dependencies: ["LifeboatCore", "LifeboatSystem", "LifeboatStore", "LifeboatVolume"],
        swiftSettings: settings),
    .executableTarget(
        name: "LifeboatFuzz",
        dependencies: [
            "LifeboatCore", "LifeboatFormat", "LifeboatCodec", "LifeboatSystem",
            "LifeboatMachine", "LifeboatTesting",
        ], swiftSettings: settings),
    .executableTarget(
        name: "LifeboatSimulate",
        dependencies: ["LifeboatProtocol", "LifeboatSimulation", argumentParser],
        swiftSettings: settings),
    .target(name: "CNBDKit"),
    .target(
        name: "LifeboatPlugin",
        dependencies: ["LifeboatCore", "LifeboatSystem", "Lifeboat", "CNBDKit"],
        swiftSettings: settings),
    .testTarget(name: "TidyTests", swiftSettings: settings),
    .executableTarget(
        name: "LifeboatCommand",
        dependencies: [
            "LifeboatCore", "LifeboatCodec", "LifeboatSystem", "LifeboatMachine", "Lifeboat",
            "CQREncode", argumentParser,
        ], swiftSettings: settings),
    .executableTarget(
        name: "LifeboatLab",
        dependencies: [
            "LifeboatCore", "LifeboatFormat", "LifeboatCodec", "LifeboatSystem", "LifeboatStore",
            "LifeboatVolume", "LifeboatProtocol", "LifeboatArchive", "Lifeboat",
            "LifeboatTesting", argumentParser,
        ], swiftSettings: settings),
    .testTarget(
        name: "LifeboatCommandTests",
        dependencies: [
            "LifeboatCore", "LifeboatCodec", "LifeboatMachine", "Lifeboat", "LifeboatCommand",
            argumentParser,
        ], swiftSettings: settings),
]

let package = Package(
    name: "lifeboat",
    products: [
        .executable(name: "lifeboat", targets: ["LifeboatCommand"]),
        .executable(name: "lifeboat-lab", targets: ["LifeboatLab"]),
        .executable(name: "lifeboat-fuzz", targets: ["LifeboatFuzz"]),
        .executable(name: "lifeboat-simulate", targets: ["LifeboatSimulate"]),
        .library(name: "Lifeboat", targets: ["Lifeboat"]),
        .library(name: "lifeboat-nbdkit-plugin", type: .dynamic, targets: ["LifeboatPlugin"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets
)
