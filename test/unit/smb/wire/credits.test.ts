import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SmbProtocolError } from "../../../../src/smb/errors.ts";
import { CreditAccount, creditCharge, type Spender } from "../../../../src/smb/wire/credits.ts";

class Parcel implements Spender {
  readonly charge: number;
  readonly messages: number;
  id: bigint | undefined;
  constructor(charge: number, messages = 1) {
    this.charge = charge;
    this.messages = messages;
  }
  send(first: bigint): void {
    this.id = first;
  }
}

describe("credit account", () => {
  it("starts with one credit and message id 0", () => {
    const account = new CreditAccount(64);
    const first = new Parcel(1);
    const second = new Parcel(1);
    account.submit(first);
    account.submit(second);
    expect(first.id).toBe(0n);
    expect(second.id).toBeUndefined();
    expect(account.waiting).toBe(1);
    account.grant(1, true);
    expect(second.id).toBe(1n);
  });

  it("gives a multi-credit request consecutive ids and the first of them", () => {
    const account = new CreditAccount(64);
    account.submit(new Parcel(1));
    account.grant(20, true);
    const wide = new Parcel(16);
    const next = new Parcel(1);
    account.submit(wide);
    account.submit(next);
    expect([wide.id, next.id]).toEqual([1n, 17n]);
    expect(account.available).toBe(3);
  });

  it("does not let a cheap request overtake a dear one that waits", () => {
    const account = new CreditAccount(64);
    account.submit(new Parcel(1));
    const dear = new Parcel(4);
    const cheap = new Parcel(1);
    account.submit(dear);
    account.submit(cheap);
    account.grant(3, true);
    expect([dear.id, cheap.id]).toEqual([undefined, undefined]);
    account.grant(2, false);
    expect([dear.id, cheap.id]).toEqual([1n, 5n]);
  });

  it("asks for its own cost and the deficit", () => {
    const account = new CreditAccount(64);
    expect(account.askFor(1)).toBe(64);
    account.submit(new Parcel(1));
    account.grant(64, true);
    expect(account.askFor(16)).toBe(16);
  });

  it("books the final grant of an asynchronous request without counting it as an answer twice", () => {
    const account = new CreditAccount(64);
    account.submit(new Parcel(1));
    account.grant(1, true);
    account.grant(0, false);
    expect(account.available).toBe(1);
    expect(account.stuck).toBeUndefined();
  });

  it("refuses more than 65,535 credits", () => {
    const account = new CreditAccount(64);
    account.submit(new Parcel(1));
    account.grant(65_535, true);
    expect(() => account.grant(1, false)).toThrow(SmbProtocolError);
  });

  it("knows when no answer under way can unlock the queue", () => {
    const account = new CreditAccount(64);
    account.submit(new Parcel(1));
    const dear = new Parcel(3);
    account.submit(dear);
    expect(account.stuck).toBeUndefined();
    account.grant(2, true);
    expect(account.stuck).toBe(dear);
  });

  it("lets the next go when one that waited is withdrawn", () => {
    const account = new CreditAccount(64);
    account.submit(new Parcel(1));
    account.grant(1, true);
    const dear = new Parcel(5);
    const cheap = new Parcel(1);
    account.submit(dear);
    account.submit(cheap);
    expect(account.withdraw(dear)).toBe(true);
    expect(account.withdraw(dear)).toBe(false);
    expect(cheap.id).toBe(1n);
  });

  it("never overspends, never skips an id, and loses nothing, whatever the order of grants", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.record({ charge: fc.integer({ min: 1, max: 16 }) }),
            fc.record({ grant: fc.integer({ min: 0, max: 20 }) }),
          ),
          { maxLength: 200 },
        ),
        (steps) => {
          const account = new CreditAccount(64);
          const parcels: Parcel[] = [];
          let granted = 1;
          for (const step of steps) {
            if ("charge" in step) {
              const parcel = new Parcel(step.charge);
              parcels.push(parcel);
              account.submit(parcel);
            } else {
              granted += step.grant;
              account.grant(step.grant, true);
            }
            const sent = parcels.filter((parcel) => parcel.id !== undefined);
            const spent = sent.reduce((sum, parcel) => sum + parcel.charge, 0);
            expect(account.available).toBe(granted - spent);
            expect(account.available).toBeGreaterThanOrEqual(0);
            expect(account.waiting).toBe(parcels.length - sent.length);
            let next = 0n;
            for (const parcel of sent) {
              expect(parcel.id).toBe(next);
              next += BigInt(parcel.charge);
            }
          }
        },
      ),
    );
  });

  it("charges one credit for each started 64 KiB", () => {
    expect([0, 1, 65_536, 65_537, 1 << 20].map(creditCharge)).toEqual([1, 1, 1, 2, 16]);
  });
});
