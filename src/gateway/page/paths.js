// Paths within a connection, as text. Pure.

/** The forms of a path that mean the same, as one. */
export const canonical = (path) => `/${path.split("/").filter(Boolean).join("/")}`;

export const join = (path, name) => `${path === "/" ? "" : path}/${name}`;

/** Of `/` there is none. */
export const parentOf = (path) => (path === "/" ? undefined : path.slice(0, path.lastIndexOf("/")) || "/");

export const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);

export const isWithin = (path, root) => root === "/" || path === root || path.startsWith(`${root}/`);

/** From `/` down to the path itself. @returns {{name: string, path: string}[]} `/` has an empty name */
export function stepsTo(path) {
  const steps = [{ name: "", path: "/" }];
  for (const name of path.split("/").filter(Boolean))
    steps.push({ name, path: join(steps.at(-1).path, name) });
  return steps;
}
