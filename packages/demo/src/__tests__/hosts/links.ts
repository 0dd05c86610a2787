/** Packages without an install: the links that a package manager makes, to what the checkout has installed. */

import { existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Links the packages of each workspace folder of `host` as those of the same folder of `checkout`. */
export function linkPackages(checkout: string, host: string): void {
  const parts = readdirSync(join(host, 'packages')).map((name) => `packages/${name}`)
  const copied = new Set([...parts, 'prisma'])
  for (const folder of copied) linkFolder(join(checkout, folder), join(host, folder))
  // The app's packages are those of the demo, and the tools are those of the root.
  linkFolder(join(checkout, 'packages/demo'), host)
  linkFolder(checkout, host)
  symlinkSync(join(checkout, 'prisma/src/generated'), join(host, 'prisma/src/generated'))
  symlinkSync(
    join(checkout, 'prisma/src/tenancy/generated'),
    join(host, 'prisma/src/tenancy/generated'),
  )

  function linkFolder(from: string, to: string): void {
    for (const name of namesIn(join(from, 'node_modules'))) {
      const link = join(to, 'node_modules', name)
      if (existsSync(link)) continue
      const real = realpathSync(join(from, 'node_modules', name))
      const own = [...copied].find((folder) => join(checkout, folder) === real)
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(own ? join(host, own) : real, link)
    }
  }
}

/** The packages of a folder `node_modules`, and the programs. */
const namesIn = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    if (name.startsWith('@'))
      return readdirSync(join(folder, name)).map((each) => `${name}/${each}`)
    return name.startsWith('.') && name !== '.bin' ? [] : [name]
  })
