/// A day of the Gregorian calendar, in UTC.
public struct CivilDate: Hashable, Sendable, Comparable {
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int

    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day of milliseconds since 1970.
    public init(milliseconds: UInt64) { self.init(number: Int(milliseconds / 86_400_000)) }

    /// The day that begins `number` days after 1970-01-01.
    public init(number: Int) {
        // Howard Hinnant's days-to-civil: years begin in March, so that a leap day is their last.
        let days = number + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shifted + 2) / 5 + 1
        month = shifted < 10 ? shifted + 3 : shifted - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01.
    public var number: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The week by ISO 8601: weeks begin on Monday, the first has the year's first Thursday.
    public var week: (year: Int, number: Int) {
        // 1970-01-01 was a Thursday.
        let weekday = (number % 7 + 10) % 7
        let thursday = CivilDate(number: number - weekday + 3)
        let first = CivilDate(year: thursday.year, month: 1, day: 1).number
        return (thursday.year, (thursday.number - first) / 7 + 1)
    }

    /// The same day so many years and months earlier, or the last of that month where it is
    /// shorter.
    public func earlier(years: Int, months: Int) -> CivilDate {
        let total = (year - years) * 12 + month - 1 - months
        let newYear = (total >= 0 ? total : total - 11) / 12
        let newMonth = total - newYear * 12 + 1
        let next = CivilDate(
            year: newMonth == 12 ? newYear + 1 : newYear, month: newMonth == 12 ? 1 : newMonth + 1,
            day: 1)
        let first = CivilDate(year: newYear, month: newMonth, day: 1)
        return CivilDate(
            year: newYear, month: newMonth, day: min(day, next.number - first.number))
    }

    public static func < (left: CivilDate, right: CivilDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }
}
