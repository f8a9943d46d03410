import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../../../../src/gateway/page");

/** A module of the page: plain JavaScript as it is served, typed here by what the test says it is. */
export async function pageModule<T>(name: string): Promise<T> {
  return (await import(join(PAGE, `${name}.js`))) as T;
}

export interface Entry {
  readonly name: string;
  readonly type?: "file" | "directory";
  readonly size?: number;
  readonly modified?: string;
}

export const file = (name: string, size?: number, modified?: string): Entry => ({
  name,
  type: "file",
  ...(size === undefined ? {} : { size }),
  ...(modified === undefined ? {} : { modified }),
});
export const folder = (name: string): Entry => ({ name, type: "directory" });
