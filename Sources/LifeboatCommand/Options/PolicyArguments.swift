public import ArgumentParser
public import LifeboatMachine

extension QuiescePolicy: ExpressibleByArgument {}
extension ProtectionPolicy.ForeignCheckpoints: ExpressibleByArgument {}
