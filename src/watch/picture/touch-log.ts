/** Which names the server spoke of since a listing began, and whether they exist by its last word. */
export class TouchLog extends Map<string, boolean> {
  /** Of the listing, in the order in which those of a share began. 0: it has not, or is none of a whole directory. */
  number = 0;
}
