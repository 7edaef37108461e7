/** Pack → ids of its damaged chunks in hexadecimal, or `all` when nothing of it can be read. */
export type DamageList = ReadonlyMap<string, ReadonlySet<string> | 'all'>

export function isListed(list: DamageList, pack: string, id: Buffer): boolean {
  const chunks = list.get(pack)
  return chunks === 'all' || (chunks?.has(id.toString('hex')) ?? false)
}
