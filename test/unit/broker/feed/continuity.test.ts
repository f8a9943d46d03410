import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCursor, parseCursor } from "../../../../src/broker/cursor.ts";
import { Positions } from "../../../../src/broker/feed/continuity.ts";

describe("positions", () => {
  /**
   * A stream of three of our subjects among others, a wire that loses, repeats and reorders nothing else. Live messages
   * are taken only when they follow; every doubt reads the stream. At the end an audit must leave nothing out.
   */
  it("miss nothing and repeat nothing, whatever the wire loses", () => {
    const step = fc.record({ subject: fc.nat(3), fate: fc.constantFrom("arrives", "lost", "twice") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, auditAt) => {
        const positions = new Positions();
        positions.restart("n", 0);
        const stored: { subject: string; sequence: number }[] = [];
        const told: number[] = [];
        const deliver = (subject: string, sequence: number): void => {
          positions.delivered(subject, sequence);
          told.push(sequence);
        };
        const read = (): void => {
          for (const { subject, sequence } of stored) {
            if (sequence <= positions.proven) continue;
            if (positions.check(subject, sequence, 0) !== "duplicate") deliver(subject, sequence);
          }
          positions.prove(stored.at(-1)?.sequence ?? 0);
        };
        let sequence = 0;
        const last = new Map<string, number>();
        for (const [index, { subject: number, fate }] of steps.entries()) {
          sequence++;
          if (number === 3) continue; // another connection's
          const subject = `s${number}`;
          stored.push({ subject, sequence });
          const previous = last.get(subject) ?? 0;
          last.set(subject, sequence);
          const times = fate === "lost" ? 0 : fate === "twice" ? 2 : 1;
          for (let time = 0; time < times; time++) {
            const verdict = positions.check(subject, sequence, previous);
            if (verdict === "next") deliver(subject, sequence);
            else if (verdict === "hole") read();
          }
          if (index === auditAt) read();
        }
        read();
        expect(new Set(told).size).toBe(told.length);
        expect([...told].sort((a, b) => a - b)).toEqual(stored.map((message) => message.sequence));
        for (const subject of last.keys()) {
          const order = told.filter((at) => stored.some((m) => m.sequence === at && m.subject === subject));
          expect(order).toEqual([...order].sort((a, b) => a - b));
        }
      }),
    );
  });

  it("are lost with the stream, its end, or its beginning", () => {
    const positions = new Positions();
    positions.restart("n", 10);
    positions.delivered("s", 12);
    expect(positions.lost({ nonce: "n", first: 11, last: 12 })).toBe(false);
    expect(positions.lost({ nonce: "m", first: 11, last: 12 })).toBe(true);
    expect(positions.lost({ nonce: "n", first: 11, last: 11 })).toBe(true);
    expect(positions.lost({ nonce: "n", first: 12, last: 12 })).toBe(true);
  });
});

describe("cursor", () => {
  it("comes back, and nothing else is one", () => {
    expect(parseCursor(formatCursor({ nonce: "abcdefgh", sequence: 7 }))).toEqual({
      nonce: "abcdefgh",
      sequence: 7,
    });
    for (const bad of ["", "7", "abc:", ":7", "abc:-1", "abc:1e3", "ABC:7", "abc:99999999999999999"]) {
      expect(parseCursor(bad)).toBeUndefined();
    }
  });
});
