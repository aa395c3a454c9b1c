// Files that Bun's bundler embeds in the compiled binary: importing one gives its path.

declare module "*.wasm" {
  const path: string;
  export default path;
}

declare module "*.asset" {
  const path: string;
  export default path;
}
