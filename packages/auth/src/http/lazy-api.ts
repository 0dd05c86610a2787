/**
 * Better Auth's server functions before Better Auth is loaded.
 *
 * @module
 */

/** The functions, and what completes them. */
export interface LazyApi<Api extends object> {
  /** Until `fill`, each function of this object calls `load` and then the loaded function of the same name. */
  api: Api
  /** Gives the object all functions with their properties. */
  fill(loaded: Api): void
}

/** Makes the object. */
export function createLazyApi<Api extends object>(load: () => Promise<Api>): LazyApi<Api> {
  const members: Record<PropertyKey, unknown> = {}
  const waiting = new Map<string, unknown>()

  const deferred = (name: string) => async (input?: unknown) => {
    const call = ((await load()) as Record<string, unknown>)[name]
    if (typeof call === 'function') return call(input)
    throw new TypeError(
      `auth.api has no function ${name}. Check the name, and the option of createAuth that turns it on.`,
    )
  }

  const api = new Proxy(members, {
    get(_, name) {
      // Whatever has a function `then` counts as a promise, and `toJSON` decides how an object is written.
      const isOther = typeof name !== 'string' || name in members || /^(then|toJSON)$/.test(name)
      if (isOther) return Reflect.get(members, name)
      const call = waiting.get(name) ?? deferred(name)
      waiting.set(name, call)
      return call
    },
  })
  // A function that the host has put in place of another stays.
  return {
    api: api as Api,
    fill: (loaded) => void Object.assign(members, { ...loaded, ...members }),
  }
}
