/** FILE_ACTION_* (MS-FSCC 2.7.1). */
export const Action = {
  added: 1,
  removed: 2,
  modified: 3,
  renamedOldName: 4,
  renamedNewName: 5,
  addedStream: 6,
  removedStream: 7,
  modifiedStream: 8,
} as const;
