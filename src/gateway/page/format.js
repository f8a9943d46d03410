// Sizes, times and kinds, in few words. Pure.
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** `1,234,567` is `1.23 MB`. Not known: nothing. */
export function sizeText(bytes) {
  if (bytes === undefined) return "";
  let value = bytes;
  let unit = 0;
  // Rounded, 999,500 would be 1,000 kB.
  while (value >= (unit === 0 ? 1_000 : 999.5) && unit < UNITS.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 ? whole.format(value) : short.format(value)} ${UNITS[unit]}`;
}

export function exactSize(bytes) {
  return bytes === undefined ? "" : `${whole.format(bytes)} byte${bytes === 1 ? "" : "s"}`;
}

/** @param {string | undefined} time RFC 3339 */
export function timeText(time) {
  return format(day, time);
}

export function exactTime(time) {
  return format(exact, time);
}

function format(formatter, time) {
  const at = new Date(time ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? "" : formatter.format(at);
}

const KINDS = {
  image: "avif bmp cr2 cr3 dng gif heic heif ico jpeg jpg nef png psd raw svg tif tiff webp",
  audio: "aac aif aiff flac m4a mid mp3 ogg opus wav wma",
  video: "avi m2ts m4v mkv mov mp4 mpeg mpg mts mxf webm wmv",
  text: "csv doc docx htm html ini json log md odp ods odt pdf ppt pptx rtf tex txt xls xlsx xml yaml yml",
  archive: "7z bz2 deb gz iso jar rar rpm tar tgz xz zip zst",
};
const BY_ENDING = new Map(
  Object.entries(KINDS).flatMap(([kind, endings]) => endings.split(" ").map((ending) => [ending, kind])),
);

/** Which icon an entry gets. Nothing but a hint: names may lie. */
export function kindOf({ name, type }) {
  if (type === "directory") return "folder";
  if (type === undefined) return "unknown";
  const dot = name.lastIndexOf(".");
  return (dot > 0 && BY_ENDING.get(name.slice(dot + 1).toLowerCase())) || "file";
}
