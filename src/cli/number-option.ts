import type { Invocation } from "./command.ts";
import { UsageError } from "./exit-codes.ts";

/** A number from the command line, in plain decimals. @throws UsageError */
export function numberOption(
  { text }: Pick<Invocation, "text">,
  name: string,
  { min, max, whole = false }: { readonly min: number; readonly max: number; readonly whole?: boolean },
): number | undefined {
  const given = text(name);
  if (given === undefined) return undefined;
  const value = /^\d{1,10}(\.\d{1,6})?$/.test(given) ? Number(given) : Number.NaN;
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(
    `--${name}: ${JSON.stringify(given)} is not a ${whole ? "whole " : ""}number from ${min} to ${max}`,
  );
}
