/**
 * The app's Next.js configuration with the workspace packages led to their sources: nothing has to be
 * built before `next dev` or `next build`.
 *
 * @param config the app's own; its aliases win
 * @param options `dir` is the app's folder. Default: the working directory
 */
export declare function withTollgate<Config extends object>(
  config?: Config,
  options?: { dir?: string },
): Config & { webpack(config: unknown, context: unknown): unknown }
