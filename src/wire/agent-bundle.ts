/** What the single file of an agent says of itself, in a line of its head, and where a server looks for such files. */
export interface BundleAbout {
  readonly version: string
  /** As the runtime calls it: `x64`, `arm64`. */
  readonly arch: string
}

/** In the data folder of a server. */
export const BUNDLES_FOLDER = 'agent-bundles'

export function bundleLine({ version, arch }: BundleAbout): string {
  return `# terp-agent-bundle ${version} linux ${arch}`
}

/** Undefined when it is none. */
export function readBundleHead(head: string): BundleAbout | undefined {
  const [, version, arch] = /^#!\/bin\/sh\n(?:#.*\n)*?# terp-agent-bundle (\S{1,100}) linux ([a-z0-9]{1,20})\n/.exec(head) ?? []
  return version === undefined || arch === undefined ? undefined : { version, arch }
}
