#!/bin/bash
# Makes a tree with everything that a backup can get wrong: odd-tree.sh FOLDER. Root makes more of it than others; what the file system
# refuses is named on standard error and left out. Whatever this script makes twice is the same but for times of change.
set -u
mkdir -p "$1" && cd "$1" || exit 1
try() { "$@" 2>/dev/null || echo "odd-tree: left out: $*" >&2; }
bytes() { head -c "$1" <(yes "odd tree $1 bytes"); }
noise() { openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000001 -in /dev/zero 2>/dev/null | head -c "$1"; }
root=$([ "$(id -u)" = 0 ] && echo yes || echo no)

# Content and sizes: around bundles (524288), chunks (262144, 1048576, 4194304) and the list of extents.
mkdir sizes
for n in 0 1 511 512 4095 4096 4097 262143 262144 262145 524287 524288 524289 1048575 1048576 1048577 4194303 4194304 4194305; do bytes $n >sizes/text-$n; noise $n >sizes/noise-$n; done
noise 20000000 >sizes/noise-20000000
head -c 3000000 /dev/zero >sizes/zeros-without-holes
mkdir -p empty/deeper/and/deeper
mkdir thousands
for n in $(seq 1 2500); do echo "small file $n" >thousands/$n; done

# Sparse files; the last one is larger than 4 GiB and mostly air.
mkdir sparse
truncate -s 10M sparse/only-hole
{ truncate -s 3M sparse/hole-then-data && echo end >>sparse/hole-then-data; }
{ noise 100000 >sparse/data-then-hole && truncate -s 7M sparse/data-then-hole; }
for at in 1 5 9 100 4500; do echo "island at $at MiB" | dd of=sparse/islands-beyond-4-GiB bs=1M seek=$at conv=notrunc status=none; done
truncate -s 5G sparse/islands-beyond-4-GiB
truncate -s 1 sparse/one-byte-hole

# Links.
mkdir links
echo linked >links/one && ln links/one links/two && ln links/one empty/three
noise 700000 >links/large && ln links/large links/large-too
ln -s one links/to-file; ln -s ../empty links/to-folder; ln -s nowhere links/dangling; ln -s /etc/passwd links/absolute; ln -s . links/loop
ln -s "$(printf 'target-\xff\xfe')" links/target-not-utf8
ln -s "$(printf 'x%.0s' $(seq 1 1000))" links/long-target
ln -s "$(printf 'line\nfeed')" links/target-with-line-feed
ln links/dangling links/hard-link-of-a-symbolic-link 2>/dev/null

# Special files.
mkdir special
mkfifo -m 640 special/fifo; ln special/fifo special/fifo-again
if [ $root = yes ]; then
  try mknod special/null c 1 3; try mknod special/block b 7 200; try mknod special/large-numbers c 4095 1048575
  [ -e special/null ] && chmod 6711 special/null
fi
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("special/socket")' 2>/dev/null || echo "odd-tree: left out: a socket" >&2

# Names.
mkdir names
for name in ' ' '-rf' '--help' '*' '?' "it's" '"quoted"' 'back\slash' 'tab	tab' $'line\nfeed' $'\x01\x7f' $'not-utf8-\xff\xc0\x80' 'ä' $'a\xcc\x88' '日本語' '🙂' '$HOME' '%s%n' '...' '.hidden' 'con' 'a:b' 'trailing ' '~' '#' '[x]' '{a,b}'; do
  echo "$name" >"names/$name"; mkdir "names/$name d"; echo inside >"names/$name d/$name"
done
long=$(printf 'n%.0s' $(seq 1 255)); echo long >names/$long; mkdir "names/${long%?}d"; echo x >"names/${long%?}d/$long"
mkdir 'a'; echo 1 >a/b; echo 2 >'a!'; echo 3 >'a-b'; echo 4 >$'a\x01'; mkdir 'a.d'; echo 5 >a.d/x; echo 6 >ab

# Owners, modes.
mkdir modes
for mode in 0000 0001 0400 0644 0755 1777 2755 4755 6777 7000; do echo $mode >modes/$mode; mkdir modes/d$mode; done
if [ $root = yes ]; then
  echo owned >modes/unknown-owner; chown 4242424:3000000000 modes/unknown-owner
  echo owned >modes/nobody; chown nobody:daemon modes/nobody
  echo suid >modes/suid-of-nobody; chown nobody modes/suid-of-nobody; chmod 6755 modes/suid-of-nobody
  ln -s nowhere modes/link-of-nobody; chown -h nobody modes/link-of-nobody
fi
for mode in 0000 0001 0400 0644 0755 1777 2755 4755 6777 7000; do chmod $mode modes/$mode modes/d$mode; done
mkdir read-only; echo x >read-only/file; mkdir read-only/folder; chmod 0555 read-only/folder read-only

# Extended attributes, lists of access, capabilities, inode flags.
mkdir attributes; cd attributes
: >empty-with-attribute; try setfattr -n user.note -v 'on an empty file' empty-with-attribute
echo x >user; try setfattr -n user.note -v value user; try setfattr -n user.empty user; try setfattr -n user.bytes -v 0x00ff00fe user
mkdir folder; try setfattr -n user.folder -v yes folder
noise 3000 | base64 -w0 >/tmp/odd-tree.$$; echo x >large-value; try setfattr -n user.large -v "$(head -c 3000 /tmp/odd-tree.$$)" large-value; rm -f /tmp/odd-tree.$$
if [ $root = yes ]; then
  echo x >trusted; try setfattr -n trusted.note -v hidden trusted
  echo x >security; try setfattr -n security.note -v kept security
  ln -s nowhere link; try setfattr -h -n trusted.link -v 'on a link' link
  mkfifo fifo; try setfattr -n trusted.fifo -v 'on a FIFO' fifo
  echo x >capability; chmod 755 capability; try setcap cap_net_raw,cap_net_bind_service+ep capability
fi
echo x >acl; try setfacl -m u:1234:rwx,g:4321:r,m::rw acl
mkdir acl-default; try setfacl -m u:1234:rwx -m d:u:1234:rwx,d:g:4321:- acl-default; echo inherits >acl-default/child; mkdir acl-default/folder
echo x >noatime; try chattr +A noatime; echo x >nodump; try chattr +d nodump; mkdir dirsync; try chattr +D dirsync
cd ..

# Long paths: 30 folders of 200 bytes are beyond PATH_MAX, so each is entered by itself. `rsync` and `find` can't follow; the tests walk it.
part=$(printf 'p%.0s' $(seq 1 200)); mkdir long-path
(cd long-path && for n in $(seq 1 30); do mkdir $part && cd ./$part || exit 1; [ $n = 5 ] || [ $n = 30 ] && echo "level $n" >file; done; ln -s $part link; mkfifo fifo; echo "level 30 again" >other; ln other hard)

# Times, after everything else; those of folders last.
mkdir times
touch -d '1969-12-31 23:59:59.999999999 UTC' times/before-1970
touch -d '1931-05-05 05:05:05.000000001 UTC' times/long-before-1970
touch -d '1970-01-01 00:00:00 UTC' times/zero
touch -d '2038-01-19 03:14:08.5 UTC' times/after-2038
touch -d '2399-12-31 23:59:59.123456789 UTC' times/far-future
touch -d '2001-02-03 04:05:06.000000001 UTC' times/one-nanosecond; touch -d '2001-02-03 04:05:06.999999999 UTC' times/all-nanoseconds
ln -s nowhere times/link; touch -h -d '1999-09-09 09:09:09.090909090 UTC' times/link
mkfifo times/fifo; touch -d '1988-08-08 08:08:08.080808080 UTC' times/fifo
mkdir times/folder; touch -d '1977-07-07 07:07:07.070707070 UTC' times/folder
touch -d '1966-06-06 06:06:06.060606060 UTC' read-only times empty

# What makes files hard to write again comes last of all.
if [ $root = yes ]; then
  cd attributes
  echo x >immutable; touch -d '2010-10-10 10:10:10.101010101 UTC' immutable; try chattr +i immutable
  echo x >append-only; try chattr +a append-only
  mkdir immutable-folder; echo x >immutable-folder/file; try chattr +i immutable-folder
  echo x >immutable-link; ln immutable-link immutable-linked; try chattr +i immutable-link
fi
exit 0
