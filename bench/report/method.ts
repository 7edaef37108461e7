/** How the figures were made, in words; written into docs/performance.md with the numbers of the run. */
import type { Results } from '../results.ts'

export function method({ pairs, scale }: Results): string {
  const small =
    scale === 1 ? '' : ` **This run was made at ${scale} of the full size: its figures say that the benchmark works, and nothing more.**`
  return `- Every round lets every program do every act, one after the other; who goes first changes from round to round. ${pairs === 1 ? 'One round was run' : `${pairs} rounds were run`}.${small}
- A ratio is the median of the ratios within the rounds; everything else is the median of the samples.
- Time is that of the whole process, from its start to its end, as people wait for it. CPU time is user and system time of the process and all that it waited for, a shell's pipe included. Peak memory is the largest resident memory of one process, as the kernel counts it.
- Before every timed act everything dirty is written out (\`sync\`), so that no program pays for the pages of the one before it. Then, untimed and with the same readers for every program, what the act is about to read is read once: files to be backed up, the repository and the program's caches, the program itself; for an unchanged backup only the entries of its files. A cache that was filled once does not stay so: this machine takes pages back between acts. In row 10, \`sync\` is followed by dropping all caches instead. Repositories and restored trees are deleted at the end of a round, all at once and followed by \`sync\` and a pause, never right before a timed act: file systems are slow while they free blocks.
- Comparable work: Terp, restic and Borg all deduplicate, compress and encrypt, with their defaults: restic's \`--compression auto\`, Borg's \`repokey\` with \`zstd,1\`. They check what they restore. \`tar | zstd -1 -T2\` does none of that: it is the yardstick of what reading, compressing and writing cost.
- Terp's own rules hold in every row (row 12): encryption, chunk ids, a key per pack, every compressed chunk decompressed and compared before it counts, and every pack synced and published by the same \`put\` as always. No option turns any of it off.
- In the first round each restored tree is compared with its source, byte by byte (\`diff -r\`), outside of the timed part; a difference ends the row.
- Stored size is the sum of the sizes of all files of the repository; caches elsewhere are not counted.
- The synthetic corpora come from a seed. They are kept between runs and checked against their checksum at the start of each. \`mixed\` is one file of random bytes, one of made-up text, and one that holds the first half of both with 1 to 100 new bytes before every 8 MB. \`small\` is 100 folders of 100 folders of 100 files each, of 0 to 8,000 bytes, three of four of them made-up text.
- Bars are those that this project set itself before it was measured. None of them ends a run or fails a build.`
}
