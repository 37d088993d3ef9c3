#!/usr/bin/env bash
# Makes the clips that the synthetic participants play (src/bot). Everything is drawn and
# synthesised here: the scenes are our own SVGs in scenes/, the "voice" is a buzz through vowel
# formants. Nobody was filmed or recorded, and nothing was taken from elsewhere.
#
#   tests/media/make.sh          needs ffmpeg (libx264, libvpx, libopus, librsvg), xxd, and the
#                                font packages fonts-noto-cjk and fonts-dejavu-core
#
# All clips last exactly 20 s and loop without a seam: every motion has a period that divides 20.
# A key frame comes every 2 s; a player answers a key-frame request by sending again the group that
# it is in. Every 2 s a white square flashes for 80 ms while a 1 kHz tone beeps: the
# two begin in the same instant (the tone 6.5 ms late, Opus' look-ahead), for lip-sync checks.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here}"
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
ff() { ffmpeg -hide_banner -loglevel error -nostdin -y -fflags +bitexact "$@"; }

MONO=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
LENGTH=20
# 00:07.4 — seconds and tenths of the loop
CLOCK='%{eif\:floor(t/60)\:d\:2}\:%{eif\:mod(floor(t)\,60)\:d\:2}.%{eif\:mod(floor(t*10+0.001)\,10)\:d}'
still() { echo "-loop 1 -framerate $1 -i $here/scenes/$2.svg"; }

# ── voice ────────────────────────────────────────────────────────────────────────────────────
# Phrases of 2 s: beep 0–0.08, speech 0.3–1.8, then a breath. Four syllables a second; odd ones
# sound like "a" (formants 800, 1200, 2600 Hz), even ones like "i" (300, 2300, 3000 Hz).
# $1 name, $2 pitch in Hz (an integer, so that the phase closes the loop), $3 formant scale, $4 gain
voice() {
  local f0=$2 k=$3
  local speech="between(mod(t,2),0.3,1.8)"
  local shape="pow(sin(PI*mod(t-0.3,0.25)/0.25),0.6)"
  local vowel="mod(floor((mod(t,2)-0.3)/0.25),2)"
  # Falling tone within each phrase: f0 ± 8 %, written as its phase so that nothing clicks.
  local phase="$f0*t+$f0*0.08/PI*sin(PI*t)"
  local buzz="(2*mod($phase,1)-1+0.12*(random(0)-0.5))"
  formants() { # input, three centre frequencies, output
    echo "$1asplit=3[${4}0][${4}1][${4}2];
      [${4}0]bandpass=f=$(awk "BEGIN{print int(${2%%,*}*$k)}"):width_type=h:w=110[${4}a];
      [${4}1]bandpass=f=$(awk "BEGIN{split(\"$2\",v,\",\");print int(v[2]*$k)}"):width_type=h:w=140,volume=0.55[${4}b];
      [${4}2]bandpass=f=$(awk "BEGIN{split(\"$2\",v,\",\");print int(v[3]*$k)}"):width_type=h:w=220,volume=0.3[${4}c];
      [${4}a][${4}b][${4}c]amix=inputs=3:normalize=0$3"
  }
  ff -f lavfi -i "aevalsrc='0.5*$speech*$shape*(1-$vowel)*$buzz':s=48000:d=$LENGTH" \
     -f lavfi -i "aevalsrc='0.5*$speech*$shape*$vowel*$buzz':s=48000:d=$LENGTH" \
     -f lavfi -i "aevalsrc='0.35*lt(mod(t,2),0.08)*sin(2*PI*1000*t)':s=48000:d=$LENGTH" \
     -filter_complex "$(formants '[0:a]' 800,1200,2600 '[va]' p);
                      $(formants '[1:a]' 300,2300,3000 '[vi]' q);
                      [va][vi]amix=inputs=2:normalize=0,volume=$4[speech];
                      [speech][2:a]amix=inputs=2:normalize=0,alimiter=limit=0.8:level=0[mix]" \
     -map '[mix]' -ac 1 -ar 48000 "$tmp/$1.wav"
  # CBR keeps a packet's size from telling what it says; FEC makes loss bearable; 20 ms frames.
  ff -i "$tmp/$1.wav" -c:a libopus -application voip -frame_duration 20 -b:a 24k -vbr off \
     -fec 1 -packet_loss 5 -map_metadata -1 -flags +bitexact "$out/$1.ogg"
  # Loudness of every 20 ms frame as one byte, 0–127 −dBov (RFC 6464), 127 = silence.
  ff -i "$tmp/$1.wav" -af "asetnsamples=960,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=-" \
     -f null - | awk -F= '/RMS_level/ { v = ($2 == "-inf") ? 127 : int(0.5 - $2); if (v < 0) v = 0; if (v > 127) v = 127; printf "%02x", v }' \
     | xxd -r -p > "$out/$1.levels"
}

# ── encoders ─────────────────────────────────────────────────────────────────────────────────
# $1 master, $2 output stem, $3 size, $4 frame rate, $5 x264 crf, $6 vp8 quality
encode() {
  local scale="scale=${3/x/:}:flags=lanczos,fps=$4,format=yuv420p"
  # Constrained baseline, one slice, no B frames, a delimiter before every access unit.
  ff -i "$1" -vf "$scale" -c:v libx264 -preset slower -profile:v baseline -level 3.1 -crf "$5" \
     -x264-params "keyint=$(($4 * 2)):min-keyint=$(($4 * 2)):scenecut=0:bframes=0:slices=1:aud=1:repeat-headers=1:sliced-threads=0" \
     -maxrate 1500k -bufsize 1500k -an -f h264 "$out/$2.h264"
  # No hidden frames (alt-ref), every frame shown, no lag.
  ff -i "$1" -vf "$scale" -c:v libvpx -deadline good -cpu-used 1 -auto-alt-ref 0 -lag-in-frames 0 \
     -g "$(($4 * 2))" -keyint_min "$(($4 * 2))" -crf "$6" -b:v 1500k -qmin 6 -qmax 56 \
     -error-resilient 0 -an -f ivf "$out/$2.ivf"
}

# ── teacher's camera: 1280×720, 640×360, 320×180 at 25 frames/s ──────────────────────────────
teacher() {
  local talk='between(mod(t,2),0.3,1.8)*gt(sin(PI*mod(t-0.3,0.25)/0.25),0.5)'
  ff $(still 25 teacher) $(still 25 mouth_closed) $(still 25 mouth_open) $(still 25 ball) \
     $(still 25 waves) $(still 25 flash) -filter_complex "
    [0][1]overlay=x=1081:y=404:enable='not($talk)'[a];
    [a][2]overlay=x=1081:y=404:enable='$talk'[b];
    [b][3]overlay=x='742+34*abs(sin(2*PI*t))':y='268+8*sin(4*PI*t)':eval=frame[c];
    [c][4]overlay=x='800+20*mod(t*2,1)':y=250:eval=frame:enable='lt(mod(t,1),0.7)'[d];
    [d]drawtext=fontfile=$MONO:text='$CLOCK':fontsize=96:fontcolor=0xf7f4ea:x=112:y=366[e];
    [e][5]overlay=x=1140:y=576:enable='lt(mod(t+0.0001,2),0.08)'[f]" \
     -map '[f]' -t $LENGTH -r 25 -c:v ffv1 "$tmp/teacher.mkv"
  encode "$tmp/teacher.mkv" teacher_f 1280x720 25 27 30
  encode "$tmp/teacher.mkv" teacher_h 640x360 25 28 32
  encode "$tmp/teacher.mkv" teacher_q 320x180 25 29 32
}

# ── courseware: 1280×720 at 5 frames/s ───────────────────────────────────────────────────────
content() {
  # The rubber band swings up, through the middle, down, and back: four frames.
  ff $(still 5 content) $(still 5 band_up) $(still 5 band_mid) $(still 5 band_down) -filter_complex "
    [0][1]overlay=x=800:y=210:enable='eq(mod(n,4),0)'[a];
    [a][2]overlay=x=800:y=210:enable='mod(n,2)'[b];
    [b][3]overlay=x=800:y=210:enable='eq(mod(n,4),2)'[c];
    [c]drawtext=fontfile=$MONO:text='$CLOCK':fontsize=72:fontcolor=0x23483f:x=846:y=560[d]" \
     -map '[d]' -t $LENGTH -r 5 -c:v ffv1 "$tmp/content.mkv"
  encode "$tmp/content.mkv" content 1280x720 5 28 34
}

# ── classrooms: 320×180 and 160×90 at 10 frames/s, one tint each ─────────────────────────────
classroom() {
  ff $(still 10 "classroom_$1") $(still 10 hand) -filter_complex "
    [0][1]overlay=x=$2:y='196-26*max(0,sin(2*PI*t/5))':eval=frame:enable='gt(sin(2*PI*t/5),0)'[a];
    [a]drawbox=x=424:y=136:w=200:h=46:color=0x1f2a27@0.85:t=fill[b];
    [b]drawtext=fontfile=$MONO:text='$CLOCK':fontsize=38:fontcolor=white:x=440:y=144[c]" \
     -map '[c]' -t $LENGTH -r 10 -c:v ffv1 "$tmp/$1.mkv"
  encode "$tmp/$1.mkv" "classroom_$1_h" 320x180 10 29 34
  encode "$tmp/$1.mkv" "classroom_$1_q" 160x90 10 30 34
}

voice voice_teacher 210 1.0 3.0
voice voice_pupil 290 1.18 2.4
teacher
content
classroom east 222
classroom west 352
ls -l "$out"/*.{h264,ivf,ogg,levels} | awk '{ sum += $5; print $5, $9 } END { print sum, "bytes in all" }'
