import CQREncode
import LifeboatCore

/// A QR code: a square of light and dark modules.
struct QRCode: Sendable {
    /// Modules a side, without the quiet zone.
    let width: Int
    /// Row by row; true is dark.
    let modules: [Bool]

    /// Encodes text with error correction level M: 15 % of the code may be lost.
    init(_ text: String) throws(LifeboatError) {
        // The library owns the code until QRcode_free; we copy the modules out.
        guard let code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1) else {
            throw LifeboatError(.internalFault, "the text does not fit a QR code")
        }
        defer { QRcode_free(code) }
        let side = Int(code.pointee.width)
        guard let data = code.pointee.data else {
            throw LifeboatError(.internalFault, "the QR code is empty")
        }
        width = side
        // The lowest bit tells dark from light; the others say what a module is for.
        modules = UnsafeBufferPointer(start: data, count: side * side).map { $0 & 1 == 1 }
    }

    func isDark(column: Int, row: Int) -> Bool { modules[row * width + column] }

    /// A drawing with the quiet zone of four modules that readers need.
    var svg: String {
        let quiet = 4
        let side = width + 2 * quiet
        var path = ""
        for row in 0..<width {
            var column = 0
            while column < width {
                guard isDark(column: column, row: row) else {
                    column += 1
                    continue
                }
                let start = column
                while column < width, isDark(column: column, row: row) { column += 1 }
                let length = column - start
                path += "M\(start + quiet) \(row + quiet)h\(length)v1h-\(length)z"
            }
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(side) \(side)" \
            shape-rendering="crispEdges" role="img" aria-label="QR code of the recovery key">\
            <rect width="\(side)" height="\(side)" fill="#fff"/><path d="\(path)"/></svg>
            """
    }
}
