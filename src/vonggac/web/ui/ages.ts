// "12 giây", "3 phút": how old something is, as the reader's language says it.

const UNITS: [Intl.NumberFormatOptions["unit"] & string, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

const formats = new Map<string, Intl.NumberFormat>();

export function age(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, least]) => milliseconds >= least) ?? ["second", 1_000];
  let format = formats.get(unit);
  if (!format) {
    format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" });
    formats.set(unit, format);
  }
  return format.format(Math.max(0, Math.floor(milliseconds / size)));
}
