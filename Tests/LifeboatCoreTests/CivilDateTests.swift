import LifeboatCore
import Testing

@Suite struct CivilDateTests {
    @Test func `days are counted without a gap`() {
        var last = CivilDate(year: 1899, month: 12, day: 31)
        for number in last.number + 1...last.number + 80_000 {
            let date = CivilDate(number: number)
            #expect(date.number == number && date > last)
            #expect(
                date.day == last.day + 1 || (date.day == 1 && date.month == last.month % 12 + 1))
            last = date
        }
        #expect(CivilDate(number: 0) == CivilDate(year: 1970, month: 1, day: 1))
    }

    @Test(arguments: [
        (CivilDate(year: 2026, month: 1, day: 1), 2026, 1),
        (CivilDate(year: 2027, month: 1, day: 3), 2026, 53),
        (CivilDate(year: 2027, month: 1, day: 4), 2027, 1),
        (CivilDate(year: 2024, month: 12, day: 30), 2025, 1),
        (CivilDate(year: 1970, month: 1, day: 1), 1970, 1),
    ]) func `weeks are those of ISO 8601`(date: CivilDate, year: Int, number: Int) {
        #expect(date.week.year == year && date.week.number == number)
    }

    @Test(arguments: [
        (CivilDate(year: 2026, month: 3, day: 31), 0, 1, CivilDate(year: 2026, month: 2, day: 28)),
        (CivilDate(year: 2028, month: 2, day: 29), 1, 0, CivilDate(year: 2027, month: 2, day: 28)),
        (
            CivilDate(year: 2026, month: 1, day: 15), 0, 13,
            CivilDate(year: 2024, month: 12, day: 15)
        ),
        (CivilDate(year: 2026, month: 1, day: 15), 0, 1, CivilDate(year: 2025, month: 12, day: 15)),
    ]) func `months are counted back`(
        date: CivilDate, years: Int, months: Int, expected: CivilDate
    ) {
        #expect(date.earlier(years: years, months: months) == expected)
    }

    @Test func `times are told to the second`() {
        #expect(DateText.second(1_767_323_045_678) == "2026-01-02 03:04:05Z")
    }
}
