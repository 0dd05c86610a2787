/** The options of `withTollgate`. */
export interface WithTollgateOptions {
  /** The app's folder. Default: the working directory. */
  dir?: string
}

/** The part of a Next.js configuration that `withTollgate` sets. */
export interface WithTollgate {
  /** Leads the workspace packages to their sources; called by Next.js when it builds with webpack. */
  webpack(config: unknown, context: unknown): unknown
}

/**
 * The app's Next.js configuration with the workspace packages led to their sources: nothing has to be
 * built before `next dev` or `next build`.
 *
 * @param config the app's own; its aliases win
 * @param options `dir` is the app's folder. Default: the working directory
 */
export declare function withTollgate<Config extends object>(
  config?: Config,
  options?: WithTollgateOptions,
): Config & WithTollgate
