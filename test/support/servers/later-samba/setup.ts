import { beforeEach, inject } from "vitest";

// What scripts/lab starts without being told which.
const { version, missing } = inject("laterSamba");
if (version !== undefined) process.env["SMB2NATS_LAB_SAMBA"] = "trixie";
// Where it cannot be had, these tests have been run with the system's already.
else beforeEach(({ skip }) => skip(missing ?? "no later Samba"));
