/** What computes where bundles are served: our own kernels first. */
export const ENGINES = ["weft", "onnxruntime", "onnxruntime-webgpu"] as const;

export type Engine = (typeof ENGINES)[number];

/** Of these, what computes in a browser too. */
export const PAGE_ENGINES = ["weft", "onnxruntime-webgpu"] as const satisfies readonly Engine[];

export type PageEngine = (typeof PAGE_ENGINES)[number];
