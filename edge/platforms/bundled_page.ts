// For bundlers and Bun: the page as a text within the program.
import page from "../../build/edge/page.html.asset" with { type: "text" };

export default page;
