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
targets += [
    .target(
        name: "LifeboatTesting",
        dependencies: ["LifeboatCore", "LifeboatSystem", "LifeboatStore", "LifeboatVolume"],
        swiftSettings: settings),
    .testTarget(name: "TidyTests", swiftSettings: settings),
]
let keep: Set = ["LifeboatMachineTests", "TidyTests"]
targets = targets.filter { $0.type != .test || keep.contains($0.name) }

let package = Package(
    name: "lifeboat",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets
)
