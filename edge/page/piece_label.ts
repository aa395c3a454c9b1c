/** A piece as it is shown: the joiner's mark, a halfwidth square, by its twin that more fonts have. */
export const pieceLabel = (piece: string): string => piece.replaceAll("\uffed", "\u25aa");
