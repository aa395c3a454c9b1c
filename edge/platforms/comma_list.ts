/** What an environment variable lists: words separated by commas, white space around them aside. */
export const commaList = (text = ""): string[] =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
