// What smbclient prints.

/** A line of its command `notify`: `0001 name`, the action in hexadecimal, or that the server has lost track. */
export function parseNotify(line) {
  const [, name] = /^[0-9a-f]{4} (.+)$/.exec(line) ?? [];
  return { name, overflow: line === "NOTIFY_ENUM_DIR" };
}

/** Whether a line of its command `ls` is an entry, and neither of `.` and `..`. */
export function isEntry(line) {
  return /^ {2}\S/.test(line) && !/^ {2}\.\.? +[A-Z]* +\d/.test(line);
}
