/**
 * What a close code tells the client to do (contract section 5): 4000-4499 come back, 4500-4999 do not.
 * Of the registered codes 1001 and 1013 mean come back, 1008 means do not.
 */
export const CLOSE = {
  /** The gateway stops; another one, or this one restarted, will take the client. */
  goingAway: 1001,
  /** Refused: no token in time, or one that is not believed. */
  refused: 1008,
  /** We cannot decide now (the issuer's keys are out of reach), or the reader is too slow. */
  tryLater: 1013,
  /** An operator ended it; the client may come back. */
  ended: 4400,
  /** The token ran out; come back with a fresh one. */
  expired: 4401,
  /** More messages than allowed, for longer than forgiven. */
  flood: 4429,
  /** An operator ended it, and does not want it back. */
  unwanted: 4500,
} as const;

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];
