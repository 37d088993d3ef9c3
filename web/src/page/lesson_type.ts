/** The name of a type of lesson. What a type allows is told by the server (`lesson.rules`). */
import type { LessonType } from '../client/protocol.gen';
import { type Key, t } from '../i18n';

const WORDS: Record<LessonType, Key> = {
  delivery: 'typeDelivery',
  master_teacher: 'typeMasterTeacher',
  school_online: 'typeSchoolOnline',
  co_taught: 'typeCoTaught',
  demo: 'typeDemo',
  research: 'typeResearch',
  meeting: 'typeMeeting',
  broadcast: 'typeBroadcast',
};

export function lessonTypeName(type: LessonType): string {
  return t(WORDS[type]);
}
