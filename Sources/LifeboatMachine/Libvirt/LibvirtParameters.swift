internal import CLibvirt
internal import Glibc
internal import LifeboatCore

/// Named values as libvirt returns them.
enum LibvirtParameters {
    /// Copies a list of typed parameters and frees it.
    static func take(_ list: virTypedParameterPtr?, _ count: Int32) -> [String: JSON] {
        defer { virTypedParamsFree(list, count) }
        var result: [String: JSON] = [:]
        for index in 0..<Int(max(0, count)) {
            guard var parameter = list?[index] else { continue }
            let name = withUnsafeBytes(of: &parameter.field) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            result[name] = value(parameter)
        }
        return result
    }

    private static func value(_ parameter: virTypedParameter) -> JSON {
        let value = parameter.value
        switch UInt32(bitPattern: parameter.type) {
        case VIR_TYPED_PARAM_INT.rawValue: return .integer(Int64(value.i))
        case VIR_TYPED_PARAM_UINT.rawValue: return .integer(Int64(value.ui))
        case VIR_TYPED_PARAM_LLONG.rawValue: return .integer(value.l)
        case VIR_TYPED_PARAM_ULLONG.rawValue: return .integer(Int64(clamping: value.ul))
        case VIR_TYPED_PARAM_DOUBLE.rawValue: return .number(value.d)
        case VIR_TYPED_PARAM_BOOLEAN.rawValue: return .bool(value.b != 0)
        case VIR_TYPED_PARAM_STRING.rawValue:
            return value.s.map { .string(String(cString: $0)) } ?? .null
        default: return .null
        }
    }
}
