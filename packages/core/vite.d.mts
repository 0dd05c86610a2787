/** The options of `tollgate`. */
export interface TollgateOptions {
  /** The app's folder. Default: the working directory. */
  dir?: string
}

/** A plugin, with the members that Vite asks for. */
export interface TollgatePlugin {
  /** The plugin's name. */
  name: string
  /** Vite asks this plugin before its own resolution. */
  enforce: 'pre'
  /** The file of an entry of a workspace package; null for every other import. */
  resolveId(id: string): string | null
}

/**
 * The plugin for an app in Vite, such as one in SvelteKit or React Router: nothing has to be built before
 * `vite dev` or `vite build`.
 *
 * @param options `dir` is the app's folder. Default: the working directory
 */
export declare function tollgate(options?: TollgateOptions): TollgatePlugin
