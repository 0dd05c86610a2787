/**
 * Singletons that cost nothing until they are used.
 *
 * @module
 */

/**
 * Defers `create` until a member of the value is first touched, so that importing a module reads no
 * environment and opens no connection. A `create` that throws is tried again on the next use.
 */
export function lazy<T extends object>(create: () => T): T {
  let value: T | undefined
  const target = () => {
    value ??= create()
    return value
  }
  return new Proxy(Object.create(null) as T, {
    get(_, key) {
      const member = Reflect.get(target(), key, target())
      return typeof member === 'function' ? member.bind(target()) : member
    },
    set: (_, key, next) => Reflect.set(target(), key, next),
    has: (_, key) => Reflect.has(target(), key),
    ownKeys: () => Reflect.ownKeys(target()),
    getOwnPropertyDescriptor(_, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(target(), key)
      // A proxy may only report a property its own (empty) target lacks if it can be reconfigured.
      return descriptor && { ...descriptor, configurable: true }
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(target()),
  })
}
