import { AuthError } from "./errors.ts";

/** A secret, or the source to ask anew each time. @throws AuthError `AUTH_PASSWORD_UNAVAILABLE` */
export function readPassword(password: string | (() => string)): string {
  if (typeof password === "string") return password;
  try {
    return password();
  } catch (cause) {
    throw new AuthError("AUTH_PASSWORD_UNAVAILABLE", "the password could not be read", { cause });
  }
}
