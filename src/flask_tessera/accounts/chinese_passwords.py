"""What people in China choose besides the passwords of the whole world: names and sentences in pinyin.

Rules and a short list, written from how such passwords are made, not taken from any breach. Digits that speak (`520`,
`1314`) and birthdays are patterns of numbers, and taken off the ends before a text comes here.
"""

from __future__ import annotations

import re
from typing import Final

_SURNAMES: Final = (
    "wang li zhang liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he lin gao luo zheng liang xie song tang han"
    " feng yu dong xiao cheng cao yuan deng fu shen zeng peng lu lv su jiang cai jia ding wei xue ye yan pan du dai xia"
    " zhong tian ren fan fang shi yao tan liao zou xiong jin hao kong bai cui kang mao qiu qin gu hou shao meng long"
    " wan duan qian yin yi chang qiao lai gong wen ouyang shangguan sima zhuge"
)
_GIVEN: Final = (
    "wei fang na min jing li qiang lei jun yang yong yan jie juan tao ming chao xiu xia ping gang gui hui hong ying hua"
    " yu lin bin bo chen cheng dan dong fei feng guo hai hao jia jian jin kai kun lan le liang ling long mei meng miao"
    " ning peng qi qian qing rong rui shan shu si song ting wen xi xiang xiao xin xue ya yi yao yue yun zhen zhi zhong"
    " zi xuan han ze tian nan lu san wu liu er"
)
_NAME: Final = re.compile(f"(?:xiao|lao|da|a)?(?:{'|'.join(_SURNAMES.split())})(?:{'|'.join(_GIVEN.split())}){{0,2}}")
_SENTENCE: Final = re.compile(
    "(?:wo|ni|ta|women)(?:zhende|yongyuan|zhi|hen|hao|bu|zui)?(?:ai|xiang|xihuan|shi|yao|hen|xiangnian|deng)"
    "(?:ni|wo|ta|nimen|women|jia|wojia|laopo|laogong|baobei|baobao|mama|baba|zhongguo|qian|zijidejia|ziji|shei|shui"
    "|haoren|tiancai|shenxian|laoda|yigeren)?(?:yongyuan|yibeizi|yishengyishi|yiwannian|ma|a)?"
)
_FOND: Final = re.compile("(?:wo)?(?:ai|xiang|xihuan)|ilove|love")
_ALL: Final = (
    # "My password", and what asks for one.
    "mima wodemima mimashi wangjimima wangji denglu zhuce yonghu yonghuming zhanghao guanli guanliyuan chaojiguanliyuan"
    " ceshi moren xitong houtai wangzhan dianhua shouji youxiang diannao"
    # Whom and what one is fond of.
    " baobei baobao laopo laogong qinaide tianshi gongzhu wangzi mama baba gege jiejie didi meimei erzi nver mamababa"
    " pengyou kuaile xingfu pingan jiankang facai gongxifacai wanshiruyi xinnian shengri shengrikuaile aiqing yongyuan"
    " yishengyishi yibeizi tianchangdijiu haohaoxuexi tiantianxiangshang jiayou nihao nihaoma zaijian xiexie haode"
    " meiwenti suibian buzhidao wangjile shabi caonima woshishui woshini woshinidie dashabi"
    # Places and firms.
    " zhongguo zhonghua beijing shanghai tianjin chongqing guangzhou shenzhen chengdu wuhan nanjing hangzhou suzhou"
    " xian changsha zhengzhou qingdao jinan dalian shenyang haerbin changchun xiamen fuzhou hefei nanchang kunming"
    " guiyang nanning haikou lanzhou taiyuan shijiazhuang wulumuqi xianggang aomen taiwan guangdong sichuan"
    " taobao tmall zhifubao alipay weixin wechat weibo tengxun tencent baidu alibaba huawei xiaomi oppo vivo jingdong"
    " pinduoduo meituan douyin kuaishou bilibili wangyi netease sina sohu zhihu douban xiaohongshu dingding feishu"
    " wangzherongyao yuanshen yingxionglianmeng chuanyuehuoxian"
    # Numbers, spelled out.
    " yiersan yiersansi yiersansiwu yiersansiwuliu woaini woainima wuerling yisanyisi"
)
_WORDS: Final = frozenset(_ALL.split())


def is_frequent(text: str) -> bool:
    """Whether a folded text without its trivial ends is a name or a sentence in pinyin that many choose."""
    if text in _WORDS or _NAME.fullmatch(text) or _SENTENCE.fullmatch(text):
        return True
    fond = _FOND.match(text)
    return fond is not None and (text[fond.end() :] in _WORDS or _NAME.fullmatch(text, fond.end()) is not None)
